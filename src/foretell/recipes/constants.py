"""Values of a recipe as values of a column."""

from decimal import Decimal
from typing import Any

from foretell.core.columns import ColumnType
from foretell.expressions.literals import find_decimal, find_temporal


def find_constant(value: Any, type: ColumnType) -> Any:
    """A JSON value as one of a column's type; `None` where it does not fit."""
    if isinstance(value, bool):
        return value if type is ColumnType.BOOLEAN else None
    match type:
        case ColumnType.INTEGER:
            fits = isinstance(value, int) and -(2**63) <= value < 2**63
            return value if fits else None
        case ColumnType.FLOAT:
            return float(value) if isinstance(value, int | float) else None
        case ColumnType.DECIMAL:
            return _decimal(value)
        case ColumnType.DATE | ColumnType.TIME | ColumnType.TIMESTAMP:
            return find_temporal(value, type) if isinstance(value, str) else None
        case ColumnType.TEXT:
            return value if isinstance(value, str) else None
    return None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, int | float):
        return find_decimal(value)
    return None
