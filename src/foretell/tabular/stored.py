"""A stored version: its Parquet parts in row order, opened only where needed.

A row's number is its position, from 0, over all parts. Part row counts come from the
version's manifest, so a page knows its part without opening any other.
"""

from collections.abc import Iterator, Sequence

import msgspec
import polars as pl

from foretell.errors import Invalid
from foretell.tabular.blocks import part_rows
from foretell.tabular.footers import footer
from foretell.tabular.selectors import exactly

_BATCH_ROWS = 32_768

__all__ = [
    "Parts",
    "StoredPart",
    "UnknownColumns",
    "batches",
    "checked_columns",
    "exactly",
    "index_name",
    "row_count",
    "scan_from",
    "schema_of",
    "slice_rows",
]


class StoredPart(msgspec.Struct, frozen=True):
    """One Parquet file of a version and how many rows it holds.

    Attributes:
        filters: Files of key filters, by column.
    """

    path: str
    rows: int
    filters: dict[str, str] = {}


Parts = Sequence[StoredPart]


class UnknownColumns(Invalid):
    """A request names columns that the version does not have."""

    slug = "unknown-columns"

    def __init__(self, missing: Sequence[str], found: Sequence[str]) -> None:
        wanted = ", ".join(repr(name) for name in missing)
        shown = ", ".join(repr(name) for name in found[:50])
        super().__init__(
            f"There are no columns {wanted}. The dataset has: {shown}.",
            missing=list(missing),
            found=list(found[:50]),
        )


def row_count(parts: Parts) -> int:
    """Return how many rows the version has."""
    return sum(part.rows for part in parts)


def schema_of(parts: Parts) -> pl.Schema:
    """Return the version's columns and polars types."""
    return footer(parts[0].path).schema


def checked_columns(parts: Parts, columns: Sequence[str] | None) -> list[str]:
    """Return the wanted columns, all by default.

    Raises:
        UnknownColumns: Some are not in the version.
    """
    found = list(schema_of(parts))
    if columns is None:
        return found
    missing = [name for name in columns if name not in found]
    if missing:
        raise UnknownColumns(missing, found)
    return list(dict.fromkeys(columns))


def slice_rows(
    parts: Parts, start: int, count: int, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return rows by number; only what holds them is decoded."""
    names = tuple(schema_of(parts)) if columns is None else tuple(columns)
    frames: list[pl.DataFrame] = []
    first = 0
    for part in parts:
        low, high = max(start, first), min(start + count, first + part.rows)
        if low < high or (part is parts[-1] and not frames):
            at, rows = max(low - first, 0), max(high - low, 0)
            frames.append(part_rows(part.path, at, rows, names))
        first += part.rows
    return frames[0] if len(frames) == 1 else pl.concat(frames)


def scan_from(parts: Parts, start: int, index: str) -> pl.LazyFrame:
    """Return the rows from number `start` on, with their numbers in column `index`."""
    frames: list[pl.LazyFrame] = []
    first = 0
    for part in parts:
        if start < first + part.rows or part is parts[-1]:
            scan = pl.scan_parquet(
                part.path, row_index_name=index, row_index_offset=first
            )
            if start > first:
                scan = scan.slice(min(start - first, part.rows))
            frames.append(scan)
        first += part.rows
    return pl.concat(frames)


def index_name(schema: pl.Schema) -> str:
    """Return a column name that the version does not use."""
    name = "__row"
    while name in schema:
        name += "_"
    return name


def batches(
    parts: Parts,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
    rows: int = _BATCH_ROWS,
) -> Iterator[pl.DataFrame]:
    """Yield the version's rows in order, a bounded number at a time."""
    for part in parts:
        for start in range(0, max(part.rows, 1), rows):
            scan = pl.scan_parquet(part.path).slice(start, rows)
            scan = scan if where is None else scan.filter(where)
            if columns is not None:
                scan = scan.select(map(exactly, columns))
            yield scan.collect()
