"""`expand` in the one statement: related rows as a JSON sub-select.

PostgreSQL writes the JSON, in the very bytes that our own JSON writer would give: the
same escapes, moments in UTC with `Z`, decimals as text. What it writes otherwise
(floats, and JSON columns, which it keeps as they came) is read and written again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
from sqlalchemy import (
    FromClause,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.util import ClauseAdapter

from foretell.resources.columns import Kind, ResourceColumn
from foretell.resources.description import ResourceDescription
from foretell.resources.expanding import Tree
from foretell.resources.model import OWNER
from foretell.resources.relations import Relation
from foretell.resources.statements import OWNER_IS

Fix = Callable[[list[dict[str, Any]]], None]


@dataclass(frozen=True, slots=True)
class Nested:
    """One relation in a statement.

    Attributes:
        element: The sub-select, under the relation's name.
        fix: Puts right what PostgreSQL writes in another way; `None` if nothing is.
    """

    name: str
    element: ColumnElement[Any]
    fix: Fix | None

    def written(self, sent: str) -> msgspec.Raw:
        """The JSON of what PostgreSQL has sent."""
        if self.fix is None:
            return msgspec.Raw(sent)
        found = json.loads(sent)
        self.fix(found if isinstance(found, list) else [found])
        return msgspec.Raw(orjson.dumps(found))


def targets_of(
    description: ResourceDescription, tree: Tree
) -> list[ResourceDescription]:
    """The resources that `tree` leads to."""
    found = []
    for name, below in tree.items():
        target = description.relations[name].target
        found += [target, *targets_of(target, below)]
    return found


def nested_in(
    description: ResourceDescription,
    tree: Tree,
    *,
    is_owned: bool,
    source: FromClause | None = None,
) -> list[Nested]:
    """The relations of `tree`, as columns of a statement on `description`.

    Args:
        is_owned: Of resources whose rows are private, only those of `:owner`.
        source: What holds the row; the table itself when not given.
    """
    table = description.table if source is None else source
    return [
        _nested(description.relations[name], below, table, is_owned)
        for name, below in tree.items()
    ]


def _nested(
    relation: Relation, below: Tree, parent: FromClause, is_owned: bool
) -> Nested:
    target = relation.target
    rows: FromClause = target.table.alias()
    inner = nested_in(target, below, is_owned=is_owned, source=rows)
    shown = [_as_json(c, rows.c[c.column.name]) for c in target.readable]
    condition = (
        rows.c[relation.remote.column.name] == parent.c[relation.local.column.name]
    )
    statement = select(*shown, *(n.element for n in inner)).where(condition)
    if is_owned and target.is_private:
        owner = rows.c[target.by_name[OWNER].column.name]
        mine = bindparam(OWNER_IS, type_=owner.type, required=True)
        statement = statement.where(owner == mine)
    adapter = ClauseAdapter(rows)
    order = [adapter.traverse(element) for element in relation.order]
    statement = statement.order_by(*order, rows.c[target.key.column.name])
    statement = statement.limit(literal_column(str(_limit(relation))))
    chosen: Any = statement.correlate(parent).subquery()
    whole = chosen.table_valued()
    if relation.is_many:
        listed = func.array(select(whole).scalar_subquery())
        element = select(func.array_to_json(listed)).scalar_subquery()
    else:
        element = select(func.row_to_json(whole)).scalar_subquery()
    name = relation.name
    return Nested(name, element.label(name), _fix_of(target.readable, inner))


def _limit(relation: Relation) -> int:
    return relation.limit if relation.is_many else 1


def _as_json(column: ResourceColumn, element: ColumnElement[Any]) -> ColumnElement[Any]:
    value: ColumnElement[Any] = element
    match column.kind:
        case Kind.DECIMAL | Kind.UUID | Kind.FLOAT:
            value = cast(element, Text)
        case Kind.DATETIME:
            in_utc = func.timezone(literal_column("'UTC'"), element)
            value = _without_zeros(in_utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"', "Z")
        case Kind.TIME:
            value = _without_zeros(element, "HH24:MI:SS.US", "")
    return value.label(column.name)


def _without_zeros(
    moment: ColumnElement[Any], pattern: str, end: str
) -> ColumnElement[Any]:
    text = func.to_char(moment, literal_column(f"'{pattern}'"))
    zeros: ColumnElement[Any] = literal_column(f"'.000000{end}'")
    nothing: ColumnElement[Any] = literal_column(f"'{end}'")
    replaced: ColumnElement[Any] = func.replace(text, zeros, nothing)
    return replaced


def _fix_of(columns: Sequence[ResourceColumn], inner: Sequence[Nested]) -> Fix | None:
    floats = [c.name for c in columns if c.kind is Kind.FLOAT]
    has_json = any(c.kind is Kind.JSON for c in columns)
    below = [(nested.name, nested.fix) for nested in inner if nested.fix is not None]
    if not (floats or has_json or below):
        return None

    def fix(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for name in floats:
                if row[name] is not None:
                    row[name] = float(row[name])
            for name, fix_below in below:
                found = row[name]
                if found is not None:
                    fix_below(found if isinstance(found, list) else [found])

    return fix
