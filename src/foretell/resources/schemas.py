"""Pydantic schemas of a resource's bodies, made from its columns.

Numbers are strict: `true` and "12" are no integers. A decimal may come as a number
or a text; it goes out as a text. Every text must be storable on every database.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    create_model,
)

from foretell.http.schemas import Body, Moment, Name, Reading, Storable
from foretell.jobs.registry import unstorable
from foretell.resources.columns import Kind, ResourceColumn

MAX_BULK = 1_000
MAX_TEXT = 1_000_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
_DECIMAL = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?")
_MAX_INTEGER = 2**63 - 1


def _like(pattern: re.Pattern[str], words: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        # Pydantic would also read numbers, as days or seconds since 1970.
        if isinstance(value, str) and not pattern.fullmatch(value):
            raise ValueError(words)
        if isinstance(value, int | float):
            raise ValueError(words)
        return value

    return BeforeValidator(check)


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("is not a number")
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError('is not a decimal, such as 12.50 or "12.50"')
    return value


def _storable_json(value: Any) -> Any:
    if value is None:
        raise ValueError("is null")
    fault = unstorable(value)
    if fault is not None:
        raise ValueError(fault[1])
    if not _integers_fit(value):
        raise ValueError("holds an integer beyond 64 bits")
    return value


def _integers_fit(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_integers_fit(item) for item in value.values())
    if isinstance(value, list):
        return all(_integers_fit(item) for item in value)
    return not isinstance(value, int) or -_MAX_INTEGER <= value <= _MAX_INTEGER


Day = Annotated[date, _like(_DATE, "is not a date, such as 2026-01-31")]
Clock = Annotated[time, _like(_TIME, "is not a time of day, such as 12:30:00")]
Json = Annotated[Any, AfterValidator(_storable_json)]


def value_type(column: ResourceColumn, *, strict: bool = True) -> Any:
    """The type of the values of a column that are not null.

    Args:
        strict: Whether numbers and booleans must come as such; in a query string
            everything is text.
    """
    match column.kind:
        case Kind.TEXT:
            limit = StringConstraints(max_length=column.max_length)
            return Annotated[Storable, limit]
        case Kind.INTEGER:
            bounds = Field(strict=strict, ge=column.minimum, le=column.maximum)
            return Annotated[int, bounds]
        case Kind.FLOAT:
            return Annotated[float, Field(strict=strict, allow_inf_nan=False)]
        case Kind.DECIMAL:
            digits = Field(
                max_digits=column.precision,
                decimal_places=column.scale,
                allow_inf_nan=False,
            )
            return Annotated[Decimal, BeforeValidator(_no_boolean), digits]
        case Kind.BOOLEAN:
            return Annotated[bool, Field(strict=strict)]
        case Kind.ENUM:
            return column.enum_class or Literal[column.values]
    return _PLAIN[column.kind]


_PLAIN: Mapping[Kind, Any] = {
    Kind.DATE: Day,
    Kind.TIME: Clock,
    Kind.DATETIME: Moment,
    Kind.UUID: UUID,
    Kind.JSON: Json,
}
_READ: Mapping[Kind, Any] = {
    Kind.TEXT: str,
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.DECIMAL: Annotated[str, Field(json_schema_extra={"format": "decimal"})],
    Kind.BOOLEAN: bool,
    Kind.DATE: date,
    Kind.TIME: time,
    Kind.DATETIME: Moment,
    Kind.UUID: UUID,
    Kind.JSON: Any,
}

_EXAMPLES: Mapping[Kind, Any] = {
    Kind.TEXT: "text",
    Kind.INTEGER: 1,
    Kind.FLOAT: 1.5,
    Kind.DECIMAL: "12.50",
    Kind.BOOLEAN: True,
    Kind.DATE: "2026-01-31",
    Kind.TIME: "12:30:00",
    Kind.DATETIME: "2026-01-31T12:30:00Z",
    Kind.UUID: "01939f2c-7d1e-7c3a-9b3f-2f8d1c5e6a70",
    Kind.JSON: {},
}


def example_of(column: ResourceColumn) -> Any:
    """A value that the column takes, for the documentation."""
    if column.kind is Kind.ENUM:
        return column.values[0]
    if column.kind is Kind.DECIMAL:
        return format(Decimal(1).scaleb(-(column.scale or 0)), "f")
    if column.kind is Kind.TEXT and column.max_length is not None:
        return "text"[: column.max_length]
    return _EXAMPLES[column.kind]


def create_schema(name: str, columns: Iterable[ResourceColumn]) -> type[BaseModel]:
    """The body of a POST."""

    def field(column: ResourceColumn) -> tuple[Any, Any]:
        type_ = value_type(column)
        if column.nullable:
            type_ = type_ | None
        return type_, None if column.is_optional else ...

    written = [column for column in columns if column.is_writable]
    return _model(name, written, field, Body)


def update_schema(name: str, columns: Iterable[ResourceColumn]) -> type[BaseModel]:
    """The body of a PATCH: what is left out stays; null only where a null may be."""

    def field(column: ResourceColumn) -> tuple[Any, Any]:
        type_ = value_type(column)
        return (type_ | None if column.nullable else type_), None

    changed = [column for column in columns if column.is_changeable]
    return _model(name, changed, field, Body)


def read_schema(name: str, columns: Iterable[ResourceColumn]) -> type[BaseModel]:
    """A row as answers hold it."""

    def field(column: ResourceColumn) -> tuple[Any, Any]:
        type_ = value_type(column) if column.kind is Kind.ENUM else _READ[column.kind]
        return (type_ | None if column.nullable else type_), ...

    shown = [column for column in columns if column.is_readable]
    return _model(name, shown, field, Reading)


def filters_schema(name: str, columns: Iterable[ResourceColumn]) -> type[BaseModel]:
    """The filters of a list: `?column=value`."""

    def field(column: ResourceColumn) -> tuple[Any, Any]:
        return value_type(column, strict=False) | None, None

    return _model(name, list(columns), field, Body)


def bulk_schema(name: str, create: type[BaseModel]) -> type[BaseModel]:
    """The body of a POST of many rows."""
    items = Annotated[list[create], Field(min_length=1, max_length=MAX_BULK)]  # type: ignore[valid-type]
    return create_model(name, __base__=Body, items=(items, ...))


def list_schema(name: str, read: type[BaseModel]) -> type[BaseModel]:
    """One page of a list."""
    fields: dict[str, Any] = {
        "items": (list[read], ...),  # type: ignore[valid-type]
        "next": (str | None, None),
        "prev": (str | None, None),
    }
    return create_model(name, __base__=Reading, **fields)


def _model(
    name: str,
    columns: list[ResourceColumn],
    field: Callable[[ResourceColumn], tuple[Any, Any]],
    base: type[BaseModel],
) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for number, column in enumerate(columns):
        type_, default = field(column)
        examples = [example_of(column)]
        options: dict[str, Any] = {"examples": examples}
        if column.column.comment or column.column.doc:
            options["description"] = column.column.doc or column.column.comment
        key = column.name
        if _is_reserved(key):
            key = f"field_{number}"
            options |= {"alias": column.name}
        fields[key] = (type_, Field(default, **options))
    return cast("type[BaseModel]", create_model(name, __base__=base, **fields))


def _is_reserved(name: str) -> bool:
    # Pydantic keeps these for itself.
    return name.startswith(("_", "model_")) or hasattr(BaseModel, name)


class SnapshotCreate(Body):
    """Where a snapshot goes, and of which rows."""

    dataset: Name
    where: Annotated[str | None, Field(max_length=2_000)] = None
