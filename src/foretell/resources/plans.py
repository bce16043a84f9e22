"""Statements of lists, made once for each shape of a query and kept.

A shape is the condition's text, the order, which filters there are and which values
of the position are null; values are bind parameters. So a list that is asked for
again costs no parsing and no building of SQL.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, Select, bindparam, select

from foretell.expressions.check import parse_condition
from foretell.expressions.sql_texts import same_text
from foretell.expressions.sqlalchemy_compiler import to_sql
from foretell.resources.columns import Kind
from foretell.resources.description import ResourceDescription
from foretell.resources.keyset import Key, after
from foretell.resources.listing import ListQuery
from foretell.resources.model import OWNER
from foretell.resources.statements import OWNER_IS

MAX_PLANS = 256


@dataclass(frozen=True, slots=True)
class ListPlan:
    """One statement and the parameters of one query for it."""

    statement: Select[Any]
    parameters: Mapping[str, Any]


class ListPlans:
    """The statements of one resource's lists on one kind of database."""

    def __init__(self, description: ResourceDescription, dialect: str) -> None:
        self._description = description
        self._dialect = dialect
        self._known: OrderedDict[Any, Select[Any]] = OrderedDict()

    def plan(
        self, query: ListQuery, *, owner: str | None = None, take: int
    ) -> ListPlan:
        """The statement of a query.

        Args:
            owner: Whose rows alone are wanted.
            take: Rows at most.

        Raises:
            ExpressionError, NotInSql: The condition cannot be read or computed.
        """
        shape = self._shape(query, owner is not None)
        statement = self._known.get(shape)
        if statement is None:
            statement = self._build(query, is_owned=owner is not None)
            self._remember(shape, statement)
        else:
            self._known.move_to_end(shape)
        return ListPlan(statement, _parameters(query, owner, take))

    def condition(self, where: str) -> Any:
        """A condition over the readable columns as SQL."""
        readable = self._description.readable
        types = {column.name: column.type for column in readable}
        columns = {column.name: column.column for column in readable}
        return to_sql(parse_condition(where, types), columns, self._dialect)

    def _shape(self, query: ListQuery, is_owned: bool) -> Any:
        position = query.position
        nulls = tuple(v is None for v in position.values) if position else None
        backwards = position is not None and position.backwards
        names = tuple(name for name, _ in query.filters)
        return query.where, query.keys, names, nulls, backwards, is_owned

    def _build(self, query: ListQuery, *, is_owned: bool) -> Select[Any]:
        description = self._description
        statement = select(*(c.column for c in description.stored))
        if is_owned:
            owner = description.by_name[OWNER].column
            statement = statement.where(owner == bindparam(OWNER_IS, type_=owner.type))
        for name, _ in query.filters:
            statement = statement.where(self._filter(name))
        if query.where is not None:
            statement = statement.where(self.condition(query.where))
        keys = self._keys(query)
        if query.position is not None:
            nulls = [value is None for value in query.position.values]
            statement = statement.where(after(keys, nulls))
        order = [element for key in keys for element in key.order()]
        return statement.order_by(*order).limit(bindparam("take", type_=Integer))

    def _filter(self, name: str) -> Any:
        found = self._description.by_name[name]
        column = found.column
        bind = bindparam(f"filter_{name}", type_=column.type)
        if found.kind is Kind.TEXT:
            return same_text(column, bind, self._dialect)
        return column == bind

    def _keys(self, query: ListQuery) -> list[Key]:
        backwards = query.position is not None and query.position.backwards
        return [
            Key(
                column=self._description.by_name[key.column],
                is_down=key.descending != backwards,
                nulls_last=not backwards,
                dialect=self._dialect,
                parameter=f"after_{number}",
            )
            for number, key in enumerate(query.keys)
        ]

    def _remember(self, shape: Any, statement: Select[Any]) -> None:
        self._known[shape] = statement
        if len(self._known) > MAX_PLANS:
            self._known.popitem(last=False)


def _parameters(query: ListQuery, owner: str | None, take: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {f"filter_{n}": v for n, v in query.filters}
    parameters["take"] = take
    if owner is not None:
        parameters[OWNER_IS] = owner
    if query.position is not None:
        for number, value in enumerate(query.position.values):
            if value is not None:
                parameters[f"after_{number}"] = value
    return parameters
