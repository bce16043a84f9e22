"""What a caller asks of a list, as sent or as found in its cursor.

A cursor carries all that decides which rows come next: condition, order, filters and
the values at which the page ended. So it suffices alone; a parameter beside it must
say the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from foretell.core.pagination import CursorInvalid, Cursors
from foretell.datasets.errors import ParameterInvalid
from foretell.datasets.ports import SortKey
from foretell.datasets.query import sort_keys
from foretell.resources.columns import Kind, ResourceColumn
from foretell.resources.description import ResourceDescription

_PYTHON: Mapping[Kind, Any] = {
    Kind.TEXT: str,
    Kind.ENUM: str,
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.DECIMAL: Decimal,
    Kind.BOOLEAN: bool,
    Kind.DATE: date,
    Kind.TIME: time,
    Kind.DATETIME: datetime,
    Kind.UUID: UUID,
}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ends: the values of the sort columns and of the key.

    Attributes:
        backwards: Whether the page before it is wanted.
    """

    values: tuple[Any, ...]
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which rows, in which order, from where on.

    Attributes:
        filters: Column and value, by name of the column.
    """

    where: str | None = None
    sort: str | None = None
    filters: tuple[tuple[str, Any], ...] = ()
    position: Position | None = None
    keys: tuple[SortKey, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """The parameters of a call that say which rows; what was not sent is left out."""

    where: str | None = None
    sort: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(1_000)
def order_of(description: ResourceDescription, sort: str | None) -> tuple[SortKey, ...]:
    """The sort keys; the primary key is always the last.

    Raises:
        ColumnUnknown: `sort` names what cannot be sorted by.
    """
    names = [column.name for column in description.sortable]
    keys = sort_keys(sort, names)
    key = description.key.name
    if key not in {k.column for k in keys}:
        keys.append(SortKey(key))
    # The key tells all rows apart, so nothing behind it matters.
    end = next(n for n, k in enumerate(keys) if k.column == key)
    return tuple(keys[: end + 1])


def query_of(
    description: ResourceDescription,
    cursors: Cursors,
    sent: Sent,
    cursor: str | None,
) -> ListQuery:
    """The query that a call asks for.

    Raises:
        CursorInvalid: The cursor is not one of this list.
        ParameterInvalid: A parameter contradicts it.
    """
    if cursor is not None:
        return _continued(description, cursors, sent, cursor)
    return ListQuery(
        where=sent.where or None,
        sort=sent.sort or None,
        filters=tuple(sorted(sent.filters.items())),
        keys=order_of(description, sent.sort or None),
    )


def cursor_of(
    description: ResourceDescription,
    cursors: Cursors,
    query: ListQuery,
    row: Mapping[str, Any],
    *,
    backwards: bool,
) -> str:
    """The cursor of the page that follows `row`, or precedes it."""
    values = [msgspec.to_builtins(row[key.column], enc_hook=str) for key in query.keys]
    filters = msgspec.to_builtins(query.filters, enc_hook=str)
    state = [query.where, query.sort, filters, values, backwards]
    return cursors.encode(_purpose(description), state)


def _continued(
    description: ResourceDescription, cursors: Cursors, sent: Sent, cursor: str
) -> ListQuery:
    state = cursors.decode(_purpose(description), cursor)
    where, sort, filters, values, backwards = state
    for name, value, known in (
        ("where", sent.where, where),
        ("sort", sent.sort, sort),
    ):
        if value is not None and (value or None) != known:
            raise ParameterInvalid(name, "contradicts the cursor; leave it out")
    given = {n: _filter(description, n, v) for n, v in filters}
    for name, value in sent.filters.items():
        if name not in given or given[name] != value:
            raise ParameterInvalid(name, "contradicts the cursor; leave it out")
    keys = order_of(description, sort)
    found = tuple(
        _value(description, key.column, value)
        for key, value in zip(keys, values, strict=True)
    )
    position = Position(found, bool(backwards))
    return ListQuery(where, sort, tuple(sorted(given.items())), position, keys)


def _value(description: ResourceDescription, name: str, value: Any) -> Any:
    column: ResourceColumn | None = description.by_name.get(name)
    if column is None:  # the model has changed since
        raise CursorInvalid("The cursor names a column that is gone; start again.")
    if value is None:
        return None
    return msgspec.convert(value, _PYTHON[column.kind])


def _filter(description: ResourceDescription, name: str, value: Any) -> Any:
    found = _value(description, name, value)
    enum_class = description.by_name[name].enum_class
    return enum_class(found) if enum_class else found


def _purpose(description: ResourceDescription) -> str:
    return f"resource:{description.plural}"


def page_ends(
    query: ListQuery, rows: Sequence[Mapping[str, Any]], *, more: bool
) -> tuple[bool, bool]:
    """Whether there is a page behind and a page before this one."""
    position = query.position
    if position is not None and position.backwards:
        return bool(rows), more
    return more, position is not None and bool(rows)
