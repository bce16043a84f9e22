"""The first rows of an order, from as few row groups as can have them.

Each row group knows its smallest and its largest value. Where a version lies in the
order of the first key, or nearly so, the next hundred rows are in one or two groups;
the walk ends as soon as no other group can hold a row that comes before what it has.
"""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from foretell.tabular.footers import Key, Zone, orders_as_stored
from foretell.tabular.orders import Order, Position
from foretell.tabular.row_groups import MoreGroupsNeeded, RowGroup, zones_of
from foretell.tabular.stored import Parts


class Walk:
    """Goes through row groups by the values of the first sort key."""

    def __init__(
        self, parts: Parts, order: Order, start: Key | None, *, backwards: bool
    ) -> None:
        self._parts = parts
        self._order = order
        self._start = start
        self._backwards = backwards
        self._is_down = order.keys[0].descending != backwards

    @classmethod
    def of(
        cls, parts: Parts, order: Order, position: Position | None, *, backwards: bool
    ) -> "Walk | None":
        """A walk, unless the order or the position does not allow for one.

        Among the nulls, which come last, rows have to be found by their numbers.
        """
        if not orders_as_stored(order.dtypes[0]):
            return None
        if position is None:
            return cls(parts, order, None, backwards=backwards)
        value = position.values[0]
        if value is None:
            return None
        return cls(parts, order, _key(value), backwards=backwards)

    def take(
        self,
        groups: Sequence[RowGroup],
        count: int,
        most_groups: int,
        read: Callable[[RowGroup], pl.DataFrame],
    ) -> pl.DataFrame:
        """The first rows, over all groups.

        Args:
            read: Gives the first `count` rows of one group in the order.

        Raises:
            MoreGroupsNeeded: They are in more than `most_groups`, or cannot be told.
        """
        zones = zones_of(self._parts, self._order.keys[0].column, groups)
        if None in zones:
            raise MoreGroupsNeeded
        ahead, has_unread_nulls = self._ahead(groups, [z for z in zones if z])
        if not ahead and not has_unread_nulls:
            return read(groups[0])
        found: pl.DataFrame | None = None
        for at, (_, group) in enumerate(ahead):
            if at == most_groups:
                break
            frame = read(group)
            found = frame if found is None else self._merged(found, frame, count)
            following = ahead[at + 1][0] if at + 1 < len(ahead) else None
            if self._is_enough(found, count, following):
                return found
            if self._is_hopeless(found, count, ahead[at + 1 :], most_groups - at - 1):
                break
        else:
            if found is not None and not has_unread_nulls:
                return found
        raise MoreGroupsNeeded

    def _ahead(
        self, groups: Sequence[RowGroup], zones: Sequence[Zone]
    ) -> tuple[list[tuple[Any, RowGroup]], bool]:
        """Groups by their nearest value, and whether others hold nulls to come."""
        ahead: list[tuple[Any, RowGroup]] = []
        has_nulls = False
        for group, zone in zip(groups, zones, strict=True):
            near, far = (
                (zone.high, zone.low) if self._is_down else (zone.low, zone.high)
            )
            if near is None or self._is_passed(far):
                has_nulls = has_nulls or (zone.nulls > 0 and not self._backwards)
            else:
                ahead.append((near, group))
        ahead.sort(key=lambda pair: pair[0], reverse=self._is_down)
        return ahead, has_nulls

    def _is_passed(self, far: Any) -> bool:
        if self._start is None:
            return False
        return bool(far > self._start if self._is_down else far < self._start)

    def _merged(
        self, found: pl.DataFrame, more: pl.DataFrame, count: int
    ) -> pl.DataFrame:
        both = pl.concat([found, more]).lazy()
        return self._order.sorted(both, backwards=self._backwards).head(count).collect()

    def _is_enough(self, found: pl.DataFrame, count: int, following: Any) -> bool:
        if found.height < count:
            return False
        last = found[self._order.key_names[0]][count - 1]
        if last is None:
            return False
        if following is None:
            return True
        # Of equal values the row number decides, so an equal one may come first.
        last = _key(last)
        return bool(last > following if self._is_down else last < following)

    def _is_hopeless(
        self,
        found: pl.DataFrame,
        count: int,
        following: Sequence[tuple[Any, RowGroup]],
        left: int,
    ) -> bool:
        """Whether more groups overlap what was found than may be read."""
        if found.height < count or len(following) <= left:
            return False
        return not self._is_enough(found, count, following[left][0])


def _key(value: Any) -> Key:
    return value.encode() if isinstance(value, str) else int(value)
