"""Runs the statements of one resource in one session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import ColumnElement

from foretell.resources.columns import ResourceColumn
from foretell.resources.conflicts import Clash, clash_of
from foretell.resources.description import ResourceDescription
from foretell.resources.plans import ListPlan, ListPlans
from foretell.resources.relations import Relation
from foretell.resources.rows import Row, RowShape
from foretell.resources.statements import (
    KEY,
    KEYS,
    OWNER_IS,
    VERSION_IS,
    Statements,
    new_values,
)

RefusedWrite = DBAPIError
"""What a write raises that a constraint refuses; see `ResourceStore.clash_of`.

Not only `IntegrityError`: MariaDB calls a failed CHECK an operational error.
"""


@dataclass(slots=True, eq=False)
class Compiled:
    """What is made once of a resource: statements, plans, the shape of its rows."""

    description: ResourceDescription
    statements: Statements = field(init=False)
    shape: RowShape = field(init=False)
    _plans: dict[str, ListPlans] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.statements = Statements(self.description)
        self.shape = RowShape(self.description)

    def plans(self, dialect: str) -> ListPlans:
        """The lists on one kind of database."""
        if dialect not in self._plans:
            self._plans[dialect] = ListPlans(self.description, dialect)
        return self._plans[dialect]


@cache
def compiled_of(description: ResourceDescription) -> Compiled:
    """What is made once of `description`."""
    return Compiled(description)


class ResourceStore:
    """Reads and writes the rows of one resource.

    Args:
        condition: What makes a row exist for the caller, beside its owner.
    """

    def __init__(
        self,
        compiled: Compiled,
        session: AsyncSession,
        condition: ColumnElement[bool] | None = None,
    ) -> None:
        self._compiled = compiled
        self._statements = compiled.statements
        self._shape = compiled.shape
        self._session = session
        self._condition = condition
        self._dialect = session.get_bind().dialect

    def of(self, description: ResourceDescription) -> "ResourceStore":
        """The rows of another resource, in the same session."""
        return ResourceStore(compiled_of(description), self._session)

    @property
    def plans(self) -> ListPlans:
        return self._compiled.plans(self._dialect.name)

    async def find(self, key: Any, owner: str | None = None) -> Row | None:
        """The row of that key, of that owner if one is named."""
        get = self._statements.get if owner is None else self._statements.get_owned
        statement = self._restricted(get)
        parameters = {KEY: key} if owner is None else {KEY: key, OWNER_IS: owner}
        found = (await self._session.execute(statement, parameters)).first()
        return None if found is None else self._shape.row(found)

    async def list_rows(self, plan: ListPlan) -> list[Row]:
        statement = self._restricted(plan.statement)
        found = await self._session.execute(statement, plan.parameters)
        return self._shape.rows(found.all())

    async def insert(self, values: Mapping[str, Any]) -> Row:
        """Add a row and give it back as the database holds it."""
        statement = self._statements.insert(values)
        parameters = new_values(values)
        if self._dialect.insert_returning:
            returning = statement.returning(*self._statements.returned)
            made = (await self._session.execute(returning, parameters)).one()
            return self._shape.row(made)
        done: Any = await self._session.execute(statement, parameters)
        key = values.get(self._key.name) or done.inserted_primary_key[0]
        return await self._get(key)

    async def insert_many(self, many: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Add rows of the same columns, in one statement where the database can."""
        key = self._key.name
        # Where the database counts, each row must tell its number; and one statement
        # takes rows of one shape.
        if key not in many[0] or any(v.keys() != many[0].keys() for v in many):
            return [await self.insert(values) for values in many]
        statement = self._statements.insert(many[0])
        parameters = [new_values(values) for values in many]
        if self._dialect.insert_executemany_returning:
            returning = statement.returning(*self._statements.returned)
            found = (await self._session.execute(returning, parameters)).all()
        else:
            await self._session.execute(statement, parameters)
            keys = {KEYS: [values[key] for values in many]}
            get = self._statements.get_many
            found = (await self._session.execute(get, keys)).all()
        rows = {row[key]: row for row in self._shape.rows(found)}
        return [rows[values[key]] for values in many]

    async def update(
        self,
        key: Any,
        values: Mapping[str, Any],
        *,
        version: int | None,
        owner: str | None,
    ) -> Row | None:
        """Change a row that is still at `version` and give it back; `None` if there
        is no such row (any more)."""
        statement = self._restricted(
            self._statements.update(
                values, is_owned=owner is not None, has_version=version is not None
            )
        )
        parameters = new_values(values) | _matched(key, version, owner)
        if self._dialect.update_returning:
            returning = statement.returning(*self._statements.returned)
            found = (await self._session.execute(returning, parameters)).first()
            return None if found is None else self._shape.row(found)
        done: Any = await self._session.execute(statement, parameters)
        return await self._get(key) if done.rowcount else None

    async def delete(self, key: Any, *, version: int | None, owner: str | None) -> bool:
        """Remove a row; whether there was one."""
        statement = self._restricted(
            self._statements.delete(
                is_owned=owner is not None, has_version=version is not None
            )
        )
        done: Any = await self._session.execute(
            statement, _matched(key, version, owner)
        )
        return bool(done.rowcount)

    async def related(
        self,
        relation: Relation,
        target: RowShape,
        keys: Sequence[Any],
        *,
        owner: str | None,
        condition: ColumnElement[bool] | None,
    ) -> dict[Any, list[Row]]:
        """The rows that `relation` leads to, by the value it goes by."""
        statement = self._statements.related(relation, is_owned=owner is not None)
        if condition is not None:
            visible = select(relation.target.key.column).where(condition)
            key = statement.selected_columns[relation.target.key.column.name]
            statement = statement.where(key.in_(visible))
        parameters: dict[str, Any] = {KEYS: _padded(keys)}
        parameters |= {} if owner is None else {OWNER_IS: owner}
        found: dict[Any, list[Row]] = {}
        for values in await self._session.execute(statement, parameters):
            found.setdefault(values[-1], []).append(target.row(values))
        return found

    async def rollback(self) -> None:
        """Undo the unit of work, so that it can be asked why it failed."""
        await self._session.rollback()

    def clash_of(self, error: DBAPIError) -> Clash:
        """What a constraint refused."""
        return clash_of(error, self._compiled.description)

    async def missing(self, column: ResourceColumn, values: Sequence[Any]) -> set[Any]:
        """Those of `values` that name no row of the table a column refers to."""
        for key in column.column.foreign_keys:
            statement = select(key.column).where(key.column.in_(values))
            found = await self._session.scalars(statement)
            return set(values) - set(found)
        return set()

    async def taken(self, column: ResourceColumn, values: Sequence[Any]) -> set[Any]:
        """Those of `values` that a row has already."""
        statement = select(column.column).where(column.column.in_(values))
        return set(await self._session.scalars(statement))

    async def _get(self, key: Any) -> Row:
        found = await self._session.execute(self._statements.get, {KEY: key})
        return self._shape.row(found.one())

    @property
    def _key(self) -> ResourceColumn:
        return self._compiled.description.key

    def _restricted(self, statement: Any) -> Any:
        if self._condition is None:
            return statement
        return statement.where(self._condition)


def _padded(keys: Sequence[Any]) -> list[Any]:
    """`keys`, the last one repeated up to a power of two.

    Each number of keys is a statement of its own to a database; so there are few.
    """
    size = 1 << (len(keys) - 1).bit_length()
    return [*keys, *[keys[-1]] * (size - len(keys))]


def _matched(key: Any, version: int | None, owner: str | None) -> dict[str, Any]:
    parameters = {KEY: key}
    if version is not None:
        parameters[VERSION_IS] = version
    if owner is not None:
        parameters[OWNER_IS] = owner
    return parameters
