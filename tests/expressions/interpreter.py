"""A naive interpreter of typed expressions: the meaning both compilers are held to.

It walks the tree for each row, knows no engine, and prefers exact arithmetic over speed.
"""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from foretell.core.columns import ColumnType
from foretell.expressions.typed import (
    Operation,
    OwnCall,
    TypedCase,
    TypedColumn,
    TypedLiteral,
    TypedNode,
)


def evaluate(node: TypedNode, row: Mapping[str, Any]) -> Any:
    match node:
        case TypedLiteral():
            return node.value
        case TypedColumn():
            value = row[node.name]
            if isinstance(value, datetime) and value.tzinfo is not None:
                return value.astimezone(UTC).replace(tzinfo=None)
            return value
        case TypedCase():
            for condition, value in node.branches:
                if evaluate(condition, row) is True:
                    return evaluate(value, row)
            return evaluate(node.otherwise, row)
    values = [evaluate(argument, row) for argument in node.arguments]
    if isinstance(node, OwnCall):
        raise NotImplementedError("functions of extensions have no meaning of ours")
    match node.operator:
        case "and" | "or":
            return _three_valued(node.operator, values)
        case "is_null":
            return values[0] is None
        case "concat":
            return "".join(value for value in values if value is not None)
        case "coalesce":
            return next((value for value in values if value is not None), None)
        case "in":
            equal = [_compare("eq", values[0], item) for item in values[1:]]
            if True in equal:
                return True
            return None if None in equal else False
        case "like":
            return None if values[0] is None else _like(*values)
        case "eq" | "ne" | "lt" | "le" | "gt" | "ge":
            return _compare(node.operator, *values)
    if None in values:
        return None
    return _apply(node, values)


def _three_valued(operator: str, values: list[Any]) -> bool | None:
    decisive = operator == "or"
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _rank(value: Any) -> tuple[bool, Any]:
    """NaN is one value, above all others."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return (is_nan, 0.0 if is_nan else value)


def _compare(operator: str, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    below = _rank(left) < _rank(right)
    above = _rank(right) < _rank(left)
    return {
        "eq": not below and not above,
        "ne": below or above,
        "lt": below,
        "le": not above,
        "gt": above,
        "ge": not below,
    }[operator]


def _like(text: str, pattern: str, escape: str | None) -> bool:
    """Match by trying every split; for short texts only."""
    if not pattern:
        return not text
    head, rest = pattern[0], pattern[1:]
    if head == escape:
        literal = rest[:1] or head
        return text.startswith(literal) and _like(text[1:], rest[1:], escape)
    if head == "%":
        return any(_like(text[i:], rest, escape) for i in range(len(text) + 1))
    if not text or head not in ("_", text[0]):
        return False
    return _like(text[1:], rest, escape)


def _apply(node: Operation, values: list[Any]) -> Any:
    result = _compute(node, *values)
    if node.type is ColumnType.INTEGER and result is not None:
        return result if -(2**63) <= result < 2**63 else None
    return result


def _compute(node: Operation, first: Any, *others: Any) -> Any:
    second: Any = others[0] if others else None
    match node.operator:
        case "not":
            return not first
        case "add":
            return first + second
        case "subtract":
            return first - second
        case "multiply":
            return first * second
        case "divide":
            return None if second == 0 else first / second
        case "modulo":
            return None if second == 0 else first - second * (first // second)
        case "negate":
            return -first
        case "join":
            return first + second
        case "convert":
            return _convert(node.type, first)
        case "lower":
            return first.lower()
        case "upper":
            return first.upper()
        case "trim":
            return first.strip()
        case "length":
            return len(first)
        case "substr":
            length = max(others[1], 0) if len(others) > 1 else len(first)
            return "".join(list(first)[max(second, 1) - 1 :][:length])
        case "replace":
            return others[1].join(first.split(second)) if second else first
        case "contains":
            return first.find(second) >= 0
        case "starts_with":
            return first[: len(second)] == second
        case "ends_with":
            return first[len(first) - len(second) :] == second or not second
        case "abs":
            return max(first, -first) if isinstance(first, int) else math.fabs(first)
        case "round":
            return _round(first, second or 0)
        case "floor" | "ceil":
            return _whole(node.operator, first)
        case "year" | "month" | "day":
            return getattr(first, node.operator)
        case "ltrim":
            return first.lstrip()
        case "rtrim":
            return first.rstrip()
        case "right":
            return "".join(list(first)[max(len(first) - max(second, 0), 0) :])
        case "lpad":
            return others[1] * (second - len(first)) + first
        case "rpad":
            return first + others[1] * (second - len(first))
        case "split_part":
            return dict(enumerate(first.split(second), 1)).get(others[1])
        case "to_integer" | "to_float":
            return _number(node.operator, first.strip())
        case "sqrt" | "exp" | "ln":
            return _irrational(node.operator, first)
        case "hour" | "minute" | "second":
            return getattr(first, node.operator)
        case "day_of_week":
            return first.weekday() + 1
        case "quarter":
            return [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4][first.month - 1]
        case "day_of_year":
            return int(first.strftime("%j"))
        case "to_date":
            return date(first.year, first.month, first.day)
        case "days_between":
            return second.toordinal() - first.toordinal()
    raise AssertionError(node.operator)


def _number(operator: str, text: str) -> int | float | None:
    sign = -1 if text.startswith("-") else 1
    if text.startswith("+-"):
        return _number(operator, text[1:])
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or set(digits) - set("0123456789.eE+-"):
        return None
    try:
        found = int(digits) if operator == "to_integer" else float(digits)
    except ValueError:
        return None
    if digits[0] in "+-" or not math.isfinite(found):
        return None
    return sign * found


def _irrational(operator: str, number: float) -> float:
    if math.isnan(number):
        return number
    if operator == "exp":
        return math.inf if number > 709.79 else math.exp(number)
    if number < 0:
        return math.nan
    if operator == "ln":
        return math.log(number) if number else -math.inf
    return math.sqrt(number)


def _convert(type: ColumnType, value: Any) -> Any:
    match type:
        case ColumnType.FLOAT:
            return float(value)
        case ColumnType.DECIMAL:
            return Decimal(value)
        case ColumnType.TIMESTAMP:
            return datetime.combine(value, time())
    raise AssertionError(type)


def _round(number: int | float, digits: int) -> int | float:
    if isinstance(number, int) or not math.isfinite(number):
        return number
    scaled = number * 10.0**digits
    if not math.isfinite(scaled):
        return number
    whole = (
        Decimal(scaled).quantize(Decimal(1), ROUND_HALF_UP)
        if (abs(scaled) < 2**60)
        else Decimal(scaled)
    )
    return math.copysign(float(whole), number) / 10.0**digits


def _whole(operator: str, number: int | float) -> int | float:
    if isinstance(number, int) or not math.isfinite(number):
        return number
    whole = math.floor(number) if operator == "floor" else math.ceil(number)
    return math.copysign(float(whole), number)
