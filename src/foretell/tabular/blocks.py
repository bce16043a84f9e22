"""Decoded pieces of parts, kept within a bound.

A page of rows is a slice of one or two blocks, so the next page of somebody who reads
on needs no decoding. A condition or an order that statistics narrow down to one row
group reads whole columns of it; those are kept, too. Parts never change, so nothing has
to be thrown away but for room.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from foretell.tabular.caching import ByteBounded
from foretell.tabular.selectors import exactly

BLOCK_ROWS = 1_024
_BLOCK_BYTES = 96 << 20
_COLUMN_BYTES = 96 << 20
# A page over more blocks is rare, and would drive out what others read.
_MOST_BLOCKS = 8

Columns = tuple[str, ...]


def _size(frame: pl.DataFrame | pl.Series) -> int:
    return int(frame.estimated_size())


_BLOCKS: ByteBounded[tuple[str, int, Columns], pl.DataFrame] = ByteBounded(
    _BLOCK_BYTES, _size
)
_COLUMNS: ByteBounded[tuple[str, int, str], pl.Series] = ByteBounded(
    _COLUMN_BYTES, _size
)


def part_rows(path: str, start: int, count: int, columns: Columns) -> pl.DataFrame:
    """Return rows of one part by their numbers in it.

    Only the pages of the file that hold them, or their blocks, are decoded.
    """
    first, last = start // BLOCK_ROWS, (start + max(count, 1) - 1) // BLOCK_ROWS
    if last - first >= _MOST_BLOCKS or not columns:
        return _decoded(path, start, count, columns)
    blocks = [_block(path, number, columns) for number in range(first, last + 1)]
    rows = blocks[0] if len(blocks) == 1 else pl.concat(blocks)
    return rows.slice(start - first * BLOCK_ROWS, count)


def gathered(path: str, rows: Sequence[int], columns: Columns) -> pl.DataFrame:
    """Return some rows of one part, by ascending numbers."""
    frames = []
    for block, inside in _by_block(rows):
        frame = _block(path, block, columns)
        frames.append(frame[[row - block * BLOCK_ROWS for row in inside]])
    return frames[0] if len(frames) == 1 else pl.concat(frames)


def is_few(rows: Sequence[int]) -> bool:
    """Whether rows of one part lie in so few blocks that those may be kept."""
    return len({row // BLOCK_ROWS for row in rows}) <= _MOST_BLOCKS


def group_columns(
    path: str, group: int, skip: int, rows: int, columns: Sequence[str]
) -> pl.DataFrame:
    """Return whole columns of one row group, which starts behind `skip` rows."""
    found = {name: _COLUMNS.get((path, group, name)) for name in columns}
    missing = tuple(name for name, column in found.items() if column is None)
    if missing:
        for column in _decoded(path, skip, rows, missing):
            _COLUMNS.put((path, group, column.name), column)
            found[column.name] = column
    return pl.DataFrame([column for column in found.values() if column is not None])


def _by_block(rows: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    current = -1
    inside: list[int] = []
    for row in rows:
        if row // BLOCK_ROWS != current:
            if inside:
                yield current, inside
            current, inside = row // BLOCK_ROWS, []
        inside.append(row)
    if inside:
        yield current, inside


def _block(path: str, number: int, columns: Columns) -> pl.DataFrame:
    start = number * BLOCK_ROWS
    return _BLOCKS.get_or_make(
        (path, number, columns), lambda: _decoded(path, start, BLOCK_ROWS, columns)
    )


def _decoded(path: str, start: int, count: int, columns: Columns) -> pl.DataFrame:
    scan = pl.scan_parquet(path).slice(start, count)
    return scan.select(map(exactly, columns)).collect()
