"""Raw records: JSON values as values of the expression language, and back.

A member that the feature set declares is read as its type and nothing else. Another one
is what its values are; whole numbers beside fractions are fractions.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from foretell.core.columns import ColumnType
from foretell.core.texts import has_surrogate
from foretell.errors import FieldError
from foretell.expressions.literals import find_temporal
from foretell.features.definition import Definition, Functions, Program, program_of
from foretell.features.errors import RecordsInvalid

MAX_FAULTS = 100
_MIN, _MAX = -(2**63), 2**63 - 1
_NOTHING = object()


class Features:
    """Computes the features of records.

    Args:
        functions: Of extensions.
    """

    def __init__(self, definition: Definition, functions: Functions) -> None:
        self.definition = definition
        self._functions = functions
        self._declared = definition.declared
        self._names = tuple(definition.columns())
        # Few shapes of records come to one feature set.
        self._program = lru_cache(64)(self._compile)

    @property
    def names(self) -> tuple[str, ...]:
        """The members of a record that are used."""
        return self._names

    def compute(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """The features of each record, as values of the language.

        Raises:
            RecordsInvalid: With a pointer for each wrong member.
            FeatureSetInvalid: A feature does not fit what the records hold.
        """
        types, records = self._read(rows)
        compute = self._program(tuple(types.items())).compute
        return [compute(record) for record in records]

    def program(self, types: Mapping[str, ColumnType]) -> Program:
        """The program for columns of a table.

        Raises:
            FeatureSetInvalid: A feature does not fit them.
        """
        used = {name: types[name] for name in self._names if name in types}
        return self._program(tuple(used.items()))

    def _compile(self, types: tuple[tuple[str, ColumnType | None], ...]) -> Program:
        known = {name: type for name, type in types if type is not None}
        unknown = [name for name, type in types if type is None]
        return program_of(self.definition, known, unknown, self._functions)

    def _read(
        self, rows: Sequence[Any]
    ) -> tuple[dict[str, ColumnType | None], list[dict[str, Any]]]:
        errors = list(self._missing(rows))
        if errors:
            raise RecordsInvalid(errors[:MAX_FAULTS])
        types: dict[str, ColumnType | None] = {}
        columns = {}
        for name in self._names:
            values = [row[name] for row in rows]
            type = self._declared.get(name) or _type_of(values)
            types[name] = type
            columns[name] = [_read_cell(value, type) for value in values]
            for index, value in enumerate(columns[name]):
                if value is _NOTHING:
                    errors.append(_misfit(index, name, type))
        if errors:
            raise RecordsInvalid(errors[:MAX_FAULTS])
        cells = [columns[name] for name in self._names]
        if not cells:
            return types, [{} for _ in rows]
        records = [
            dict(zip(self._names, row, strict=True)) for row in zip(*cells, strict=True)
        ]
        return types, records

    def _missing(self, rows: Sequence[Any]) -> Any:
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                message = "Must be an object: the raw record."
                yield FieldError(f"/rows/{index}", message, "object_type")
                continue
            for name in self._names:
                if name not in row:
                    at = f"/rows/{index}/{_escaped(name)}"
                    yield FieldError(at, "The features need it.", "missing")


def _type_of(values: Sequence[Any]) -> ColumnType | None:
    """What undeclared values are; None where all are null."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return None
    if kinds <= {int, float}:
        return ColumnType.FLOAT if float in kinds else ColumnType.INTEGER
    if bool in kinds:
        return ColumnType.BOOLEAN
    return ColumnType.TEXT


def _read_cell(value: Any, type: ColumnType | None) -> Any:
    """A JSON value as one of the type; `_NOTHING` where it is none."""
    if value is None:
        return None
    match type:
        case ColumnType.BOOLEAN:
            return value if isinstance(value, bool) else _NOTHING
        case ColumnType.INTEGER:
            whole = isinstance(value, int) and not isinstance(value, bool)
            return value if whole and _MIN <= value <= _MAX else _NOTHING
        case ColumnType.FLOAT:
            return _float(value)
        case ColumnType.TEXT:
            return value if isinstance(value, str) and _is_text(value) else _NOTHING
        case ColumnType.DECIMAL:
            return _decimal(value)
        case ColumnType.DATE | ColumnType.TIME | ColumnType.TIMESTAMP:
            found = find_temporal(value, type) if isinstance(value, str) else None
            return _NOTHING if found is None else found
    return _NOTHING


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NOTHING
    try:
        number = float(value)
    except OverflowError:
        return _NOTHING
    return number if math.isfinite(number) else _NOTHING


def _decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return _NOTHING
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return _NOTHING
    return number if number.is_finite() else _NOTHING


def _is_text(value: str) -> bool:
    return not has_surrogate(value)


def _misfit(index: int, name: str, type: ColumnType | None) -> FieldError:
    at = f"/rows/{index}/{_escaped(name)}"
    wanted = "of one type in all rows" if type is None else f"of type {type}"
    return FieldError(at, f"Must be {wanted}.", f"{type or 'value'}_type")


def _escaped(name: str) -> str:
    return name[:100].replace("~", "~0").replace("/", "~1")


def public(value: Any) -> Any:
    """A value of the language as the API writes it."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return format(value, "f")
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
    return value
