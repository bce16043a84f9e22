"""Rules of a Pydantic model."""

import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from foretell.core.columns import ColumnType
from foretell.datasets.contract_rules import ColumnRule, Own

_TYPES: Mapping[Any, ColumnType] = {
    bool: ColumnType.BOOLEAN,
    int: ColumnType.INTEGER,
    float: ColumnType.FLOAT,
    Decimal: ColumnType.DECIMAL,
    datetime: ColumnType.TIMESTAMP,
    date: ColumnType.DATE,
    time: ColumnType.TIME,
    timedelta: ColumnType.DURATION,
    bytes: ColumnType.BINARY,
    list: ColumnType.LIST,
    dict: ColumnType.STRUCT,
}
_LIMITS = {
    "ge": "minimum",
    "gt": "above",
    "le": "maximum",
    "lt": "below",
    "min_length": "shortest",
    "max_length": "longest",
    "pattern": "pattern",
}


def rules_of(model: type[BaseModel]) -> Iterator[ColumnRule]:
    """A rule for each field, by its alias if it has one."""
    for name, info in model.model_fields.items():
        kind, nullable = _without_none(info.annotation)
        values = _values(kind)
        type_ = _type(type(values[0]) if values else kind)
        yield ColumnRule(
            str(info.validation_alias or info.alias or name),
            type_,
            required=info.is_required(),
            nullable=nullable,
            values=values,
            **_limits(info),
        )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False


def _values(kind: Any) -> tuple[Any, ...] | None:
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(member.value for member in kind)
    return None


def _type(kind: Any) -> ColumnType:
    kind = get_origin(kind) or kind
    if not isinstance(kind, type):
        return ColumnType.TEXT
    return next((t for k, t in _TYPES.items() if issubclass(kind, k)), ColumnType.TEXT)


def _limits(info: FieldInfo) -> dict[str, Any]:
    found = {}
    for item in info.metadata:
        for theirs, ours in _LIMITS.items():
            value = getattr(item, theirs, None)
            if value is not None:
                found[ours] = value
    return found


def validators_of(model: type[BaseModel]) -> Own | None:
    """What runs the model on a row, if it has validators of its own."""
    own = model.__pydantic_decorators__
    functions = [
        item
        for info in model.model_fields.values()
        for item in info.metadata
        if hasattr(item, "func")
    ]
    if not (own.field_validators or own.model_validators or functions):
        return None

    def run(row: Mapping[str, Any]) -> list[tuple[str, str]]:
        given = {name: None if cell == "" else cell for name, cell in row.items()}
        try:
            model.model_validate(given)
        except ValidationError as error:
            return [
                (str(item["loc"][0]) if item["loc"] else "", _words(item))
                for item in error.errors(include_url=False, include_input=False)
            ]
        return []

    return run


def _words(item: Any) -> str:
    return str(item["msg"]).removeprefix("Value error, ")
