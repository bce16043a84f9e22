"""Which types go together, and the operations that bring them there."""

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal

from foretell.core.columns import ColumnType
from foretell.expressions.errors import ExpressionError
from foretell.expressions.literals import FORMATS, find_decimal, find_temporal
from foretell.expressions.tree import Literal, Node
from foretell.expressions.typed import (
    Operation,
    TypedLiteral,
    TypedNode,
    Value,
    is_null_literal,
)

NUMBERS = (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.FLOAT)
TEMPORAL = (ColumnType.DATE, ColumnType.TIME, ColumnType.TIMESTAMP)

_MAX_INTEGER = 2**63 - 1


def typed_literal(literal: Literal) -> TypedLiteral:
    """Give a literal its own type; NULL is a text until its neighbours say more."""
    value = literal.value
    match value:
        case bool():
            return TypedLiteral(ColumnType.BOOLEAN, value)
        case int() if -_MAX_INTEGER - 1 <= value <= _MAX_INTEGER:
            return TypedLiteral(ColumnType.INTEGER, value)
        case int():
            return TypedLiteral(ColumnType.DECIMAL, Decimal(value))
        case float():
            return TypedLiteral(ColumnType.FLOAT, value)
        case datetime():
            return TypedLiteral(ColumnType.TIMESTAMP, value)
        case date():
            return TypedLiteral(ColumnType.DATE, value)
        case time():
            return TypedLiteral(ColumnType.TIME, value)
    return TypedLiteral(ColumnType.TEXT, value)


def convert(node: TypedNode, type: ColumnType) -> TypedNode:
    """Bring a node to a type that its own type or value is known to fit."""
    if node.type is type:
        return node
    if isinstance(node, TypedLiteral):
        return TypedLiteral(type, _convert_value(node.value, type))
    return Operation(type, "convert", (node,))


def _convert_value(value: Value, type: ColumnType) -> Value:
    match value, type:
        case int() | Decimal(), ColumnType.FLOAT:
            return float(value)
        case int() | float(), ColumnType.DECIMAL:
            return find_decimal(value)
        case str(), _:
            return find_temporal(value, type)
        case date(), ColumnType.TIMESTAMP:
            return datetime.combine(value, time.min)
    return None


def common_type(
    typed: Sequence[TypedNode], nodes: Sequence[Node], what: str
) -> ColumnType:
    """Find the type that all values can be brought to.

    Args:
        typed, nodes: The values, and where they come from.
        what: Begins the message of the error, such as "The branches of CASE".
    """
    values = [
        (value, node)
        for value, node in zip(typed, nodes, strict=True)
        if not is_null_literal(value)
    ]
    if not values:
        return typed[0].type
    # Text literals last, so that they adapt to what stands beside them.
    values.sort(key=lambda pair: _is_text_literal(pair[0]))
    result = values[0][0].type
    for value, node in values[1:]:
        found = _join(result, value, node)
        if found is None:
            raise ExpressionError(
                f"{what} cannot mix {result} and {value.type}.", node.position
            )
        result = found
    if result is ColumnType.FLOAT and _all_fit_decimal([value for value, _ in values]):
        return ColumnType.DECIMAL
    return result


def _is_text_literal(value: TypedNode) -> bool:
    return isinstance(value, TypedLiteral) and value.type is ColumnType.TEXT


def _join(left: ColumnType, value: TypedNode, node: Node) -> ColumnType | None:
    right = value.type
    if left is right:
        return left
    if left in NUMBERS and right in NUMBERS:
        return max(left, right, key=NUMBERS.index)
    if {left, right} == {ColumnType.DATE, ColumnType.TIMESTAMP}:
        return ColumnType.TIMESTAMP
    if left not in TEMPORAL or not isinstance(value, TypedLiteral):
        return None
    if not isinstance(value.value, str):
        return None
    return _temporal_type(value.value, left, node)


def _temporal_type(text: str, type: ColumnType, node: Node) -> ColumnType:
    """Decide what a text beside a date or time is; a date may turn to a timestamp."""
    if find_temporal(text, type) is not None:
        return type
    if (
        type is ColumnType.DATE
        and find_temporal(text, ColumnType.TIMESTAMP) is not None
    ):
        return ColumnType.TIMESTAMP
    raise ExpressionError(
        f"{text[:40]!r} stands where a {type} is needed; write '{FORMATS[type]}'.",
        node.position,
    )


def _all_fit_decimal(values: Sequence[TypedNode]) -> bool:
    """Whether the only floats beside decimals are literals that are exact as decimals.

    `price = 0.1` then compares what was written and not the nearest binary number.
    """
    if not any(value.type is ColumnType.DECIMAL for value in values):
        return False
    return all(
        value.type is not ColumnType.FLOAT
        or (
            isinstance(value, TypedLiteral)
            and isinstance(value.value, float)
            and find_decimal(value.value) is not None
        )
        for value in values
    )
