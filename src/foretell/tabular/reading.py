"""Pages of a stored version.

Unsorted, unfiltered pages are slices by row number: page 1 and the deepest page cost
the same. Every other page continues after the last row's sort values and number
(keyset), so it never skips rows by counting. A page is found in two steps: the numbers
of its rows, for which only the columns of the condition and of the order are read, and
then those rows. Functions block; call them in a thread.
"""

from collections.abc import Iterator, Sequence

import msgspec
import polars as pl

from foretell.tabular.orders import Order, Position, SortKey
from foretell.tabular.row_groups import (
    Bound,
    MoreGroupsNeeded,
    RowGroup,
    candidates,
    group_frame,
    rows_at,
    runs,
    scan_runs,
)
from foretell.tabular.stored import (
    Parts,
    checked_columns,
    index_name,
    row_count,
    scan_from,
    schema_of,
    slice_rows,
)
from foretell.tabular.zone_walk import Walk

_MOST_GROUPS_A_STEP = 64


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


def page(
    parts: Parts,
    *,
    limit: int,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
    sort: Sequence[SortKey] = (),
    after: Position | None = None,
    before: Position | None = None,
    bounds: Sequence[Bound] = (),
    needs: Sequence[str] = (),
    most_groups: int | None = None,
) -> Page:
    """Return up to `limit` rows after (or the last ones before) a position.

    Args:
        columns: Names in the wanted order; all by default.
        where: Boolean expression over the version's columns; null counts as false.
        sort: Keys, the first one strongest; file order without any.
        after, before: At most one; neither gives the first page. A position of an
            unsorted version may be any row number: `after` row n starts at row n + 1.
        bounds: What `where` demands of single columns.
        needs: The columns that `where` looks at; needed with `most_groups`.
        most_groups: Row groups that may be decoded to find the rows.

    Raises:
        MoreGroupsNeeded: That is not enough.
        UnknownColumns: A wanted or sorted column does not exist.
        Invalid: A column cannot be sorted by, or the position is of another order.
    """
    names = checked_columns(parts, columns)
    if where is None and not sort:
        return _slice_page(parts, names, limit, after, before)
    schema = schema_of(parts)
    order = Order(schema, sort, index_name(schema))
    # Few row groups are read whole, because the next question is often about them.
    kept = None
    if most_groups is not None:
        kept = list(dict.fromkeys([*needs, *(key.column for key in sort)]))
    ask = _Ask(parts, where, kept, order, limit, after, before)
    groups = candidates(parts, bounds)
    found = ask.sorted(groups, most_groups) if sort else ask.first(groups, most_groups)
    return ask.page(found, names)


class _Ask:
    """One filtered or sorted page: first the numbers and sort values of its rows."""

    def __init__(
        self,
        parts: Parts,
        where: pl.Expr | None,
        kept: list[str] | None,
        order: Order,
        limit: int,
        after: Position | None,
        before: Position | None,
    ) -> None:
        self._parts = parts
        self._where = where
        self._kept = kept
        self._order = order
        self._limit = limit
        self._position = after or before
        self._has_before = after is not None
        self._backwards = after is None and before is not None
        self._beyond = (
            None
            if self._position is None
            else order.beyond(self._position, backwards=self._backwards)
        )

    def first(
        self, groups: Sequence[RowGroup], most_groups: int | None
    ) -> pl.DataFrame:
        """The next rows in the order of the file, group after group."""
        groups = [group for group in groups if self._is_ahead(group)]
        found: list[pl.DataFrame] = []
        left, read = self._limit + 1, 0
        for step in _steps(groups[::-1] if self._backwards else groups, most_groups):
            frame = self.keys(sorted(step, key=lambda group: group.start), left)
            found.append(frame)
            left -= frame.height
            read += len(step)
            if left <= 0:
                break
        if left > 0 and read < len(groups):
            raise MoreGroupsNeeded
        return pl.concat(found) if found else self.keys([], left)

    def _is_ahead(self, group: RowGroup) -> bool:
        if self._position is None:
            return True
        row = self._position.row
        return group.start < row if self._backwards else group.stop > row + 1

    def sorted(
        self, groups: Sequence[RowGroup], most_groups: int | None
    ) -> pl.DataFrame:
        """The next rows in the order of the sort keys."""
        if most_groups is None or len(groups) <= most_groups:
            return self.keys(groups, self._limit + 1)
        walk = Walk.of(
            self._parts, self._order, self._position, backwards=self._backwards
        )
        if walk is None:
            raise MoreGroupsNeeded
        wanted = self._limit + 1
        return walk.take(groups, wanted, most_groups, lambda g: self.keys([g], wanted))

    def keys(self, groups: Sequence[RowGroup], count: int) -> pl.DataFrame:
        """Numbers and sort values of the first rows of some groups, in the order."""
        order = self._order
        scan = self._scan(groups)
        if self._where is not None:
            scan = scan.filter(self._where)
        if self._beyond is not None:
            scan = scan.filter(self._beyond)
        scan = scan.select(pl.col(order.index), *order.key_columns())
        scan = order.sorted(scan, backwards=self._backwards).head(count)
        return scan.collect(engine="in-memory" if self._kept else "streaming")

    def _scan(self, groups: Sequence[RowGroup]) -> pl.LazyFrame:
        if not self._kept or not groups:
            return scan_runs(self._parts, runs(groups), self._order.index)
        index = self._order.index
        return pl.concat(
            [group_frame(self._parts, group, self._kept, index) for group in groups]
        )

    def page(self, found: pl.DataFrame, names: list[str]) -> Page:
        """The rows themselves, and where the neighbours start."""
        has_more = found.height > self._limit
        found = found.head(self._limit)
        if self._backwards:
            found = found.reverse()
        numbers = found[self._order.index].to_list()
        frame = rows_at(self._parts, numbers, names, within=self._within(found))
        if found.is_empty():
            return Page(frame, None, None)
        first, last = self._order.position(found, 0), self._order.position(found, -1)
        if self._backwards:
            return Page(frame, next=last, previous=first if has_more else None)
        return Page(
            frame,
            next=last if has_more else None,
            previous=first if self._has_before else None,
        )

    def _within(self, found: pl.DataFrame) -> pl.Expr | None:
        """What the found rows have in common, beside their numbers."""
        conditions = [] if self._where is None else [self._where]
        conditions += self._order.between(found)
        return pl.all_horizontal(conditions) if conditions else None


def _steps(
    groups: Sequence[RowGroup], most: int | None
) -> Iterator[Sequence[RowGroup]]:
    """Groups to look at together: few at first, because many rows may match."""
    start, size = 0, 1
    stop = len(groups) if most is None else min(most, len(groups))
    while start < stop:
        step = groups[start : min(start + size, stop)]
        yield step
        start += len(step)
        size = min(2 * size, _MOST_GROUPS_A_STEP)


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
    order = Order(schema, sort, index)
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
