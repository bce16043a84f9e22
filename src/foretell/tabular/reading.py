"""Pages and counts of a stored version.

Unsorted, unfiltered pages are slices by row number: page 1 and the deepest page cost
the same. Every other page continues after the last row's sort values and number
(keyset), so it never skips rows by counting. Order: nulls (and NaN) last both ways,
text by code point, ties by row number. Functions block; call them in a thread.
"""

import base64
import math
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import polars as pl

from foretell.errors import Invalid
from foretell.tabular.stored import (
    Parts,
    UnknownColumns,
    checked_columns,
    exactly,
    index_name,
    row_count,
    scan_from,
    schema_of,
    slice_rows,
)

_COUNT_STEP = 1 << 20


class SortKey(msgspec.Struct, frozen=True):
    """One column to sort by."""

    column: str
    descending: bool = False


class Position(msgspec.Struct, frozen=True):
    """A row's place in an order: its sort values as JSON values, and its number."""

    values: list[Any]
    row: int


class Page(msgspec.Struct):
    """Some rows, and where the next and the previous page continue.

    Attributes:
        frame: The rows, with the wanted columns in the wanted order.
        next: Position of the last row, if more rows follow.
        previous: Position of the first row, if rows stand before.
    """

    frame: pl.DataFrame
    next: Position | None
    previous: Position | None


class Count(msgspec.Struct, frozen=True):
    """How many rows; `exact` is false where time ran out and there may be more."""

    count: int
    exact: bool


def page(
    parts: Parts,
    *,
    limit: int,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
    sort: Sequence[SortKey] = (),
    after: Position | None = None,
    before: Position | None = None,
) -> Page:
    """Return up to `limit` rows after (or the last ones before) a position.

    Args:
        columns: Names in the wanted order; all by default.
        where: Boolean expression over the version's columns; null counts as false.
        sort: Keys, the first one strongest; file order without any.
        after, before: At most one; neither gives the first page. A position of an
            unsorted version may be any row number: `after` row n starts at row n + 1.

    Raises:
        UnknownColumns: A wanted or sorted column does not exist.
        Invalid: A column cannot be sorted by, or the position is of another order.
    """
    names = checked_columns(parts, columns)
    if where is None and not sort:
        return _slice_page(parts, names, limit, after, before)
    return _keyset_page(parts, names, limit, where, sort, after, before)


def seek(
    parts: Parts,
    share: float,
    *,
    limit: int,
    where: pl.Expr | None = None,
    sort: Sequence[SortKey] = (),
) -> Position | None:
    """Return after which row a page starts that has `share` of all rows before it.

    Args:
        share: 0 to 1. The last full page is as far as it goes.
        where, sort: As for `page`; the keys alone are read, and sorted once.

    Returns:
        What `page` takes as `after`; `None` for the first page.
    """
    if where is None and not sort:
        before = _rows_before(share, row_count(parts), limit)
        return Position([], before - 1) if before else None
    schema = schema_of(parts)
    index = index_name(schema)
    order = _Order(schema, sort, index)
    scan = scan_from(parts, 0, index)
    scan = scan if where is None else scan.filter(where)
    wanted = scan.select(pl.col(index), *order.key_columns())
    frame = order.sorted(wanted, backwards=False).collect(engine="streaming")
    before = _rows_before(share, frame.height, limit)
    return order.position(frame, before - 1) if before else None


def _rows_before(share: float, rows: int, limit: int) -> int:
    return max(0, min(int(share * rows), rows - limit))


def _slice_page(
    parts: Parts,
    names: list[str],
    limit: int,
    after: Position | None,
    before: Position | None,
) -> Page:
    total = row_count(parts)
    if before is not None:
        stop = min(max(before.row, 0), total)
        start = max(0, stop - limit)
    else:
        start = 0 if after is None else min(max(after.row + 1, 0), total)
        stop = min(start + limit, total)
    frame = slice_rows(parts, start, stop - start, names)
    return Page(
        frame,
        next=Position([], stop - 1) if stop < total else None,
        previous=Position([], start) if start > 0 else None,
    )


def _keyset_page(
    parts: Parts,
    names: list[str],
    limit: int,
    where: pl.Expr | None,
    sort: Sequence[SortKey],
    after: Position | None,
    before: Position | None,
) -> Page:
    schema = schema_of(parts)
    index = index_name(schema)
    order = _Order(schema, sort, index)
    position = after or before
    start = after.row + 1 if after is not None and not sort else 0
    scan = scan_from(parts, start, index)
    if where is not None:
        scan = scan.filter(where)
    if position is not None:
        scan = scan.filter(order.beyond(position, backwards=after is None))
    keys = order.key_columns()
    scan = scan.with_columns(keys) if keys else scan
    scan = order.sorted(scan, backwards=after is None and before is not None)
    wanted = [index, *order.key_names, *(n for n in names)]
    found = (
        scan.head(limit + 1).select(map(exactly, wanted)).collect(engine="streaming")
    )
    has_more = found.height > limit
    found = found.head(limit)
    if before is not None:
        found = found.reverse()
    frame = found.select(map(exactly, names))
    if found.is_empty():
        return Page(frame, None, None)
    first, last = order.position(found, 0), order.position(found, -1)
    if before is not None:
        return Page(frame, next=last, previous=first if has_more else None)
    return Page(
        frame,
        next=last if has_more else None,
        previous=first if after is not None else None,
    )


class _Order:
    """Sort keys as hidden key columns that compare as the order demands."""

    def __init__(self, schema: pl.Schema, sort: Sequence[SortKey], index: str) -> None:
        missing = [key.column for key in sort if key.column not in schema]
        if missing:
            raise UnknownColumns(missing, list(schema))
        self._index = index
        self._keys = sort
        self._dtypes = [schema[key.column] for key in sort]
        for key, dtype in zip(sort, self._dtypes, strict=True):
            if dtype.is_nested():
                raise Invalid(f"Rows cannot be sorted by column {key.column!r}.")
        self.key_names = [f"{index}_{number}" for number in range(len(sort))]

    def key_columns(self) -> list[pl.Expr]:
        """Return the key columns: floats without NaN, times as whole numbers."""
        return [
            _key(exactly(key.column), dtype).alias(name)
            for key, dtype, name in zip(
                self._keys, self._dtypes, self.key_names, strict=True
            )
        ]

    def sorted(self, scan: pl.LazyFrame, *, backwards: bool) -> pl.LazyFrame:
        """Sort by the key columns, or in exactly the opposite order."""
        if not self._keys and not backwards:
            return scan
        return scan.sort(
            [*self.key_names, self._index],
            descending=[*(k.descending != backwards for k in self._keys), backwards],
            nulls_last=[not backwards] * (len(self._keys) + 1),
        )

    def beyond(self, position: Position, *, backwards: bool) -> pl.Expr:
        """Return which rows come after (backwards: before) a position.

        Raises:
            Invalid: The position does not belong to these sort keys.
        """
        if len(position.values) != len(self._keys):
            raise Invalid("The position belongs to another sort order.")
        row = pl.col(self._index)
        result = row < position.row if backwards else row > position.row
        for key, dtype, value in reversed(
            list(zip(self._keys, self._dtypes, position.values, strict=True))
        ):
            cell = _key(exactly(key.column), dtype)
            is_beyond, is_same = _compare(
                cell, _literal(value, dtype), key.descending, backwards
            )
            result = is_beyond | (is_same & result)
        return result

    def position(self, frame: pl.DataFrame, at: int) -> Position:
        """Return the position of one row."""
        row = frame.row(at, named=True)
        values = [_json_value(row[name]) for name in self.key_names]
        return Position(values, int(row[self._index]))


def _key(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_float():
        return cell.fill_nan(None)
    if dtype.is_temporal():
        return cell.to_physical().cast(pl.Int64)
    return cell


def _compare(
    cell: pl.Expr, value: pl.Expr | None, descending: bool, backwards: bool
) -> tuple[pl.Expr, pl.Expr]:
    """Return "comes beyond the value" and "is the value", where nulls are last."""
    if value is None:
        is_beyond = cell.is_not_null() if backwards else pl.lit(value=False)
        return is_beyond, cell.is_null()
    is_same = (cell == value).fill_null(value=False)
    is_beyond = cell < value if descending != backwards else cell > value
    return is_beyond.fill_null(value=not backwards), is_same


def _literal(value: Any, dtype: pl.DataType) -> pl.Expr | None:
    if value is None:
        return None
    try:
        if dtype.is_temporal():
            return pl.lit(int(value), pl.Int64)
        if dtype.is_float():
            return pl.lit(float(value), dtype)
        if isinstance(dtype, pl.Binary):
            return pl.lit(base64.b64decode(value), pl.Binary)
        if dtype.is_decimal():
            return pl.lit(pl.Series([str(value)]).cast(dtype)[0], dtype)
        return pl.lit(pl.Series([value], dtype=dtype, strict=True)[0], dtype)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise Invalid("The position belongs to another sort order.") from error


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    is_plain = value is None or isinstance(value, (bool, int, str))
    if is_plain or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)  # also `inf`, which JSON has no number for


def count(
    parts: Parts,
    where: pl.Expr | None = None,
    derived: Sequence[pl.Expr] = (),
    *,
    seconds: float | None = None,
) -> Count:
    """Count rows, the matching ones with `where`; stop when the time is over.

    Args:
        derived: Columns to compute first, for `where` to look at.
    """
    if where is None:
        return Count(row_count(parts), exact=True)
    deadline = None if seconds is None else time.monotonic() + seconds
    found = 0
    for part in parts:
        for start in range(0, part.rows, _COUNT_STEP):
            if deadline is not None and time.monotonic() > deadline:
                return Count(found, exact=False)
            scan = pl.scan_parquet(part.path).slice(start, _COUNT_STEP)
            scan = scan.with_columns(derived)
            found += int(scan.filter(where).select(pl.len()).collect().item())
    return Count(found, exact=True)
