"""Which row groups of a version can hold what is asked for, and reading only those."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import polars as pl

from foretell.tabular.footers import Key, Zone, footer, stored_key
from foretell.tabular.stored import Parts, exactly

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
    return groups


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


def rows_at(parts: Parts, numbers: Sequence[int], names: Sequence[str]) -> pl.DataFrame:
    """Return rows by number, in the order of the numbers.

    Of each row group only the pages from the first wanted row to the last are decoded.
    """
    pieces = _pieces(parts, sorted(set(numbers)))
    lazy = [
        pl.scan_parquet(parts[at].path)
        .slice(rows[0] - first, rows[-1] - rows[0] + 1)
        .select(map(exactly, names))
        for at, first, rows in pieces
    ]
    if not lazy:
        return (
            pl.scan_parquet(parts[0].path).head(0).select(map(exactly, names)).collect()
        )
    frames = pl.collect_all(lazy) if len(lazy) > 1 else [lazy[0].collect()]
    found = pl.concat(
        [
            frame if frame.height == len(rows) else frame[[n - rows[0] for n in rows]]
            for frame, (_, _, rows) in zip(frames, pieces, strict=True)
        ]
    )
    flat = [number for _, _, rows in pieces for number in rows]
    if flat == list(numbers):
        return found
    place = {number: at for at, number in enumerate(flat)}
    return found[[place[number] for number in numbers]]


def _pieces(parts: Parts, numbers: Sequence[int]) -> list[tuple[int, int, list[int]]]:
    """Part, its first row, and the wanted rows, for each row group that has some."""
    found: list[tuple[int, int, list[int]]] = []
    at = first = 0
    stop = -1
    for number in numbers:
        while number >= first + parts[at].rows:
            first += parts[at].rows
            at, stop = at + 1, -1
        if number >= stop:
            starts = footer(parts[at].path).starts
            stop = first + next(start for start in starts if first + start > number)
            found.append((at, first, []))
        found[-1][2].append(number)
    return found
