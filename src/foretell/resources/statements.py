"""Statements on single rows of one resource, made once when it is registered.

SQL constructs with bind parameters, so any dialect and driver can compile them:
`KEY` is the row, `OWNER_IS` its owner where that matters, `VERSION_IS` the version that
must still be there, `new_value(NAME)` what a column gets.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Delete,
    Insert,
    Select,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql import ColumnElement

from foretell.resources.columns import ResourceColumn
from foretell.resources.description import ResourceDescription
from foretell.resources.model import OWNER
from foretell.resources.relations import Relation

RANK = "foretell_rank"
# Parameters. None may be named as a column of somebody's table is: SQLAlchemy takes a
# parameter of an UPDATE that is for a value to set.
KEY, KEYS = "foretell_key", "foretell_keys"
OWNER_IS, VERSION_IS = "foretell_owner", "foretell_version"


def new_value(name: str) -> str:
    """The parameter of the value that the column `name` gets."""
    return f"foretell_set_{name}"


def new_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` by the names of their parameters."""
    return {new_value(name): value for name, value in values.items()}


class Statements:
    """The statements of one resource; each answers with its `stored` columns."""

    def __init__(self, description: ResourceDescription) -> None:
        self._description = description
        self._table = description.table
        self._inserts: dict[tuple[str, ...], Insert] = {}
        self._updates: dict[tuple[frozenset[str], bool, bool], Update] = {}
        self._expansions: dict[tuple[str, bool], Select[Any]] = {}

    @cached_property
    def returned(self) -> list[ColumnElement[Any]]:
        return [column.column for column in self._description.stored]

    @cached_property
    def get(self) -> Select[Any]:
        """One row, by `KEY`."""
        return select(*self.returned).where(self._is_key)

    @cached_property
    def get_owned(self) -> Select[Any]:
        """One row, by `KEY` and `OWNER_IS`."""
        return self.get.where(self._is_owner)

    @cached_property
    def get_many(self) -> Select[Any]:
        """Rows by `KEYS`."""
        key = self._description.key.column
        keys = bindparam(KEYS, type_=key.type, expanding=True)
        return select(*self.returned).where(key.in_(keys))

    def insert(self, names: Iterable[str]) -> Insert:
        """A row of the columns `names`; values go by these names."""
        chosen = tuple(names)
        if chosen not in self._inserts:
            columns = {self._column(n).column: self._bind(n) for n in chosen}
            self._inserts[chosen] = insert(self._table).values(columns)
        return self._inserts[chosen]

    def update(
        self, names: Iterable[str], *, is_owned: bool, has_version: bool
    ) -> Update:
        """New values of one row; its version counts up."""
        shape = (frozenset(names), is_owned, has_version)
        if shape not in self._updates:
            self._updates[shape] = self._build_update(*shape)
        return self._updates[shape]

    def _build_update(
        self, names: frozenset[str], is_owned: bool, has_version: bool
    ) -> Update:
        version = self._column("version").column
        values = {self._column(n).column: self._bind(n) for n in sorted(names)}
        statement = update(self._table).where(self._is_key)
        if is_owned:
            statement = statement.where(self._is_owner)
        if has_version:
            statement = statement.where(version == bindparam(VERSION_IS))
        return statement.values({**values, version: version + 1})

    def delete(self, *, is_owned: bool, has_version: bool) -> Delete:
        """One row, by `KEY`."""
        statement = delete(self._table).where(self._is_key)
        if is_owned:
            statement = statement.where(self._is_owner)
        if has_version:
            version = self._column("version").column
            statement = statement.where(version == bindparam(VERSION_IS))
        return statement

    def related(self, relation: Relation, *, is_owned: bool) -> Select[Any]:
        """The rows that `relation` leads to from many rows, by `KEYS`.

        Of a to-many relation, at most so many for each row, in the relation's order.
        """
        shape = (relation.name, is_owned)
        if shape not in self._expansions:
            build = _children if relation.is_many else _parents
            self._expansions[shape] = build(relation, is_owned)
        return self._expansions[shape]

    @cached_property
    def _is_key(self) -> ColumnElement[bool]:
        key = self._description.key.column
        return key == bindparam(KEY, type_=key.type)

    @cached_property
    def _is_owner(self) -> ColumnElement[bool]:
        return _owned_by(self._description)

    def _column(self, name: str) -> ResourceColumn:
        return self._description.by_name[name]

    def _bind(self, name: str) -> ColumnElement[Any]:
        return bindparam(new_value(name), type_=self._column(name).column.type)


def _owned_by(description: ResourceDescription) -> ColumnElement[bool]:
    owner = description.by_name[OWNER].column
    return owner == bindparam(OWNER_IS, type_=owner.type)


def _parents(relation: Relation, is_owned: bool) -> Select[Any]:
    target, remote = relation.target, relation.remote.column
    keys = bindparam(KEYS, type_=remote.type, expanding=True)
    statement = select(*_with_remote(relation)).where(remote.in_(keys))
    return statement.where(_owned_by(target)) if is_owned else statement


def _children(relation: Relation, is_owned: bool) -> Select[Any]:
    target, remote = relation.target, relation.remote.column
    keys = bindparam(KEYS, type_=remote.type, expanding=True)
    order = [*relation.order, target.key.column]
    rank = func.row_number().over(partition_by=remote, order_by=order).label(RANK)
    ranked = select(*_with_remote(relation), rank).where(remote.in_(keys))
    if is_owned:
        ranked = ranked.where(_owned_by(target))
    rows = ranked.subquery()
    columns = [c for c in rows.c if c.name != RANK]
    return select(*columns).where(rows.c[RANK] <= relation.limit).order_by(rows.c[RANK])


def _with_remote(relation: Relation) -> list[ColumnElement[Any]]:
    """The stored columns of the target, and last the one the relation goes by."""
    columns: list[ColumnElement[Any]] = [c.column for c in relation.target.stored]
    return [*columns, relation.remote.column.label("foretell_remote")]
