"""The order of rows: sort keys as hidden columns, and positions in the order.

Nulls (and NaN) come last both ways, text by code point, ties by row number.
"""

import base64
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import polars as pl

from foretell.errors import Invalid
from foretell.tabular.stored import UnknownColumns, exactly


class SortKey(msgspec.Struct, frozen=True):
    """One column to sort by."""

    column: str
    descending: bool = False


class Position(msgspec.Struct, frozen=True):
    """A row's place in an order: its sort values as JSON values, and its number."""

    values: list[Any]
    row: int


class Order:
    """Sort keys as hidden key columns that compare as the order demands."""

    def __init__(self, schema: pl.Schema, sort: Sequence[SortKey], index: str) -> None:
        missing = [key.column for key in sort if key.column not in schema]
        if missing:
            raise UnknownColumns(missing, list(schema))
        self.index = index
        self.keys = sort
        self.dtypes = [schema[key.column] for key in sort]
        for key, dtype in zip(sort, self.dtypes, strict=True):
            if dtype.is_nested():
                raise Invalid(f"Rows cannot be sorted by column {key.column!r}.")
        self.key_names = [f"{index}_{number}" for number in range(len(sort))]

    def key_columns(self) -> list[pl.Expr]:
        """Return the key columns: floats without NaN, times as whole numbers."""
        return [
            _key(exactly(key.column), dtype).alias(name)
            for key, dtype, name in zip(
                self.keys, self.dtypes, self.key_names, strict=True
            )
        ]

    def sorted(self, scan: pl.LazyFrame, *, backwards: bool) -> pl.LazyFrame:
        """Sort by the key columns, or in exactly the opposite order."""
        if not self.keys and not backwards:
            return scan
        return scan.sort(
            [*self.key_names, self.index],
            descending=[*(k.descending != backwards for k in self.keys), backwards],
            nulls_last=[not backwards] * (len(self.keys) + 1),
        )

    def beyond(self, position: Position, *, backwards: bool) -> pl.Expr:
        """Return which rows come after (backwards: before) a position.

        Raises:
            Invalid: The position does not belong to these sort keys.
        """
        if len(position.values) != len(self.keys):
            raise Invalid("The position belongs to another sort order.")
        row = pl.col(self.index)
        result = row < position.row if backwards else row > position.row
        for key, dtype, value in reversed(
            list(zip(self.keys, self.dtypes, position.values, strict=True))
        ):
            cell = _key(exactly(key.column), dtype)
            is_beyond, is_same = _compare(
                cell, _literal(value, dtype), key.descending, backwards
            )
            result = is_beyond | (is_same & result)
        return result

    def between(self, frame: pl.DataFrame) -> list[pl.Expr]:
        """Return which rows have sort values like those of sorted rows.

        Of the first key, and of each further one while the keys before do not vary.
        """
        found: list[pl.Expr] = []
        for key, dtype, name in zip(
            self.keys, self.dtypes, self.key_names, strict=True
        ):
            cells = frame[name]
            low, high = cells.min(), cells.max()
            is_plain = isinstance(low, (int, float, str)) and isinstance(
                high, (int, float, str)
            )
            if cells.null_count() or not is_plain or isinstance(low, bool):
                break
            cell = _key(exactly(key.column), dtype)
            found.append((cell >= pl.lit(low)) & (cell <= pl.lit(high)))
            if low != high:
                break
        return found

    def position(self, frame: pl.DataFrame, at: int) -> Position:
        """Return the position of one row."""
        row = frame.row(at, named=True)
        values = [_json_value(row[name]) for name in self.key_names]
        return Position(values, int(row[self.index]))


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
