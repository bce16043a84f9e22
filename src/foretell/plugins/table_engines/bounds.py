"""What a condition demands of single columns, for a look at statistics."""

from collections.abc import Iterator

from foretell.expressions.typed import (
    Operation,
    TypedColumn,
    TypedLiteral,
    TypedNode,
    is_null_literal,
)
from foretell.tabular.row_groups import Bound

_MIRRORED = {"eq": "eq", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def bounds_of(where: TypedNode | None) -> list[Bound]:
    """List what every matching row meets; less than the condition says, never more."""
    return [] if where is None else list(_bounds(where))


def _bounds(node: TypedNode) -> Iterator[Bound]:
    if not isinstance(node, Operation):
        return
    if node.operator == "and":
        for argument in node.arguments:
            yield from _bounds(argument)
    elif node.operator == "in":
        yield from _in(node)
    elif node.operator in _MIRRORED:
        left, right = node.arguments
        if isinstance(left, TypedLiteral):
            yield from _compared(_MIRRORED[node.operator], right, left)
        else:
            yield from _compared(node.operator, left, right)


def _compared(operator: str, left: TypedNode, right: TypedNode) -> Iterator[Bound]:
    if not isinstance(left, TypedColumn) or not isinstance(right, TypedLiteral):
        return
    if right.value is None or left.type is not right.type:
        return
    if operator == "eq":
        yield Bound(left.name, values=(right.value,))
    elif operator in ("lt", "le"):
        yield Bound(left.name, high=right.value)
    else:
        yield Bound(left.name, low=right.value)


def _in(node: Operation) -> Iterator[Bound]:
    column, *items = node.arguments
    if not isinstance(column, TypedColumn):
        return
    known = [item for item in items if not is_null_literal(item)]
    if all(isinstance(i, TypedLiteral) and i.type is column.type for i in known):
        values = tuple(i.value for i in known if isinstance(i, TypedLiteral))
        yield Bound(column.name, values=values)
