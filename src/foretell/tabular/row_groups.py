"""Which row groups of a version can hold what is asked for, and reading only those."""

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import polars as pl

from foretell.tabular.blocks import gathered, group_columns, is_few
from foretell.tabular.footers import Key, Zone, footer, stored_key
from foretell.tabular.key_filters import key_filter
from foretell.tabular.selectors import exactly
from foretell.tabular.stored import Parts, index_name, schema_of, slice_rows

# What one look at a single row costs is what a look at so many rows for those that meet
# a condition costs: 1.3 ms, 15 columns.
_ROWS_A_LOOK = 25_000
# Beyond this many pieces of one part it is quicker to look at all of it.
_MOST_RUNS = 32


class MoreGroupsNeeded(Exception):
    """The answer is in more row groups than may be decoded for it."""


class Bound(msgspec.Struct, frozen=True):
    """What a condition demands of one column; a null never meets it.

    Attributes:
        low, high: Both inclusive; `None` is open.
        values: It has to be one of these, where given.
    """

    column: str
    low: Any = None
    high: Any = None
    values: tuple[Any, ...] | None = None


class RowGroup(msgspec.Struct, frozen=True):
    """One row group of a version.

    Attributes:
        part: Number of its part.
        number: Its place within the part.
        start: Its first row, counted over the version.
        skip: Rows of its part before it.
    """

    part: int
    number: int
    start: int
    skip: int
    rows: int

    @property
    def stop(self) -> int:
        return self.start + self.rows


class Run(msgspec.Struct, frozen=True):
    """Rows of one part, one after the other: `skip` and `rows` within the part."""

    part: int
    start: int
    skip: int
    rows: int


def all_groups(parts: Parts) -> list[RowGroup]:
    """Return every row group in row order."""
    found, first = [], 0
    for at, part in enumerate(parts):
        starts = footer(part.path).starts
        for number, (skip, stop) in enumerate(itertools.pairwise(starts)):
            found.append(RowGroup(at, number, first + skip, skip, stop - skip))
        first += part.rows
    return found


def candidates(parts: Parts, bounds: Sequence[Bound]) -> list[RowGroup]:
    """Return the row groups that may hold rows within all bounds."""
    groups = all_groups(parts)
    for bound in bounds:
        zones = _zones(parts, bound.column)
        dtype = footer(parts[0].path).schema[bound.column]
        may_hold = _test(bound, dtype)
        groups = [g for g in groups if may_hold(zones(g))]
        if bound.values is not None:
            groups = _filtered(parts, groups, bound)
    return groups


def _filtered(parts: Parts, groups: Sequence[RowGroup], bound: Bound) -> list[RowGroup]:
    """Leave out the row groups that hold none of the values by their key filters."""
    held: dict[int, Sequence[bool]] = {}
    for at in {group.part for group in groups}:
        path = parts[at].filters.get(bound.column)
        if path is not None and bound.values:
            dtype = footer(parts[at].path).schema[bound.column]
            if all(stored_key(value, dtype) is not None for value in bound.values):
                found = key_filter(path).may_hold(bound.values, dtype)
                if found is not None:
                    held[at] = found.tolist()
    return [g for g in groups if g.part not in held or held[g.part][g.number]]


def _zones(parts: Parts, column: str) -> Callable[[RowGroup], Zone | None]:
    by_part = [footer(part.path).zones(column) for part in parts]
    return lambda group: by_part[group.part][group.number]


def zones_of(
    parts: Parts, column: str, groups: Sequence[RowGroup]
) -> list[Zone | None]:
    """Return what some row groups hold of a column."""
    return list(map(_zones(parts, column), groups))


def _test(bound: Bound, dtype: pl.DataType) -> Callable[[Zone | None], bool]:
    low, high = stored_key(bound.low, dtype), stored_key(bound.high, dtype)
    keys: list[Key] | None = None
    if bound.values is not None:
        known = [stored_key(value, dtype) for value in bound.values]
        keys = [key for key in known if key is not None]
        keys = keys if len(keys) == len(known) else None

    def may_hold(zone: Zone | None) -> bool:
        if zone is None:
            return True
        if zone.low is None or zone.high is None:
            return False
        if low is not None and zone.high < low:  # type: ignore[operator]
            return False
        if high is not None and zone.low > high:  # type: ignore[operator]
            return False
        return keys is None or any(
            zone.low <= key <= zone.high for key in keys  # type: ignore[operator]
        )

    return may_hold


def runs(groups: Sequence[RowGroup]) -> list[Run]:
    """Join neighbours; groups must be in row order."""
    found: list[Run] = []
    for group in groups:
        last = found[-1] if found else None
        if last and last.part == group.part and last.skip + last.rows == group.skip:
            rows = last.rows + group.rows
            found[-1] = Run(last.part, last.start, last.skip, rows)
        else:
            found.append(Run(group.part, group.start, group.skip, group.rows))
    return found


def group_frame(
    parts: Parts, group: RowGroup, columns: Sequence[str], index: str
) -> pl.LazyFrame:
    """Return columns of one row group, which are kept, with the rows' numbers."""
    path = parts[group.part].path
    frame = group_columns(path, group.number, group.skip, group.rows, columns)
    rows = pl.int_range(group.start, group.stop, dtype=pl.get_index_type(), eager=True)
    return frame.insert_column(0, rows.alias(index)).lazy()


def scan_runs(
    parts: Parts, wanted: Sequence[Run], index: str | None = None
) -> pl.LazyFrame:
    """Return the rows of runs, with their numbers in the column `index`."""
    by_part: dict[int, list[Run]] = defaultdict(list)
    for run in wanted:
        by_part[run.part].append(run)
    frames = []
    for at, part_runs in by_part.items():
        path, first = parts[at].path, part_runs[0].start - part_runs[0].skip
        scan = pl.scan_parquet(path)
        if index is not None:
            scan = pl.scan_parquet(path, row_index_name=index, row_index_offset=first)
        is_whole = part_runs[0].rows == parts[at].rows
        if is_whole or len(part_runs) > _MOST_RUNS:
            frames.append(scan)
        else:
            frames += [scan.slice(run.skip, run.rows) for run in part_runs]
    if not frames:
        return scan_runs(parts, [Run(0, 0, 0, 0)], index)
    return pl.concat(frames)


def rows_at(
    parts: Parts,
    numbers: Sequence[int],
    names: Sequence[str],
    *,
    within: pl.Expr | None = None,
) -> pl.DataFrame:
    """Return rows by number, in the order of the numbers.

    Args:
        within: A condition that all of them meet and few others. Where they lie all over
            the version, only pages of the files with matching rows are decoded.
    """
    by_part = _by_part(parts, sorted(set(numbers)))
    columns = tuple(names)
    if all(is_few(rows) for _, _, rows in by_part):
        frames = [
            gathered(parts[at].path, [row - first for row in rows], columns)
            for at, first, rows in by_part
        ]
    else:
        whole = sum(parts[at].rows for at, _, _ in by_part)
        if within is None or whole > _ROWS_A_LOOK * len(numbers):
            frames = _scattered(parts, by_part, columns)
        else:
            frames = _matching(parts, by_part, columns, within)
    if not frames:
        return slice_rows(parts, 0, 0, columns)
    found = pl.concat(frames)
    flat = [row for _, _, rows in by_part for row in rows]
    if flat == list(numbers):
        return found
    place = {row: at for at, row in enumerate(flat)}
    return found[[place[row] for row in numbers]]


Rows = tuple[int, int, list[int]]
"""A part, its first row, and rows of it, counted over the version."""


def _by_part(parts: Parts, numbers: Sequence[int]) -> list[Rows]:
    found: list[Rows] = []
    first = 0
    for at, part in enumerate(parts):
        low, high = (bisect_left(numbers, edge) for edge in (first, first + part.rows))
        if low < high:
            found.append((at, first, list(numbers[low:high])))
        first += part.rows
    return found


def _scattered(
    parts: Parts, by_part: Sequence[Rows], names: Sequence[str]
) -> list[pl.DataFrame]:
    """Rows all over the version: of each row group, from its first to its last one."""
    pieces = [
        (at, first, piece)
        for at, first, rows in by_part
        for piece in _by_group(parts[at].path, first, rows)
    ]
    scans = [
        pl.scan_parquet(parts[at].path)
        .slice(rows[0] - first, rows[-1] - rows[0] + 1)
        .select(map(exactly, names))
        for at, first, rows in pieces
    ]
    return [
        frame[[row - rows[0] for row in rows]]
        for frame, (_, _, rows) in zip(pl.collect_all(scans), pieces, strict=True)
    ]


def _matching(
    parts: Parts, by_part: Sequence[Rows], names: Sequence[str], within: pl.Expr
) -> list[pl.DataFrame]:
    """The same by one look at all rows of their parts."""
    index = index_name(schema_of(parts))
    scans = [
        pl.scan_parquet(parts[at].path, row_index_name=index, row_index_offset=first)
        .filter(within)
        .select(pl.col(index).alias(index), *map(exactly, names))
        for at, first, _ in by_part
    ]
    return [
        frame.filter(pl.col(index).is_in(rows)).select(map(exactly, names))
        for frame, (_, _, rows) in zip(pl.collect_all(scans), by_part, strict=True)
    ]


def _by_group(path: str, first: int, rows: Sequence[int]) -> Iterator[list[int]]:
    starts = footer(path).starts
    for low, high in itertools.pairwise(starts):
        inside = [row for row in rows if low <= row - first < high]
        if inside:
            yield inside
