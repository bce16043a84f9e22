"""How columns are asked for, so that rows come as the JSON writer takes them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Integer,
    Numeric,
    String,
    Text,
    Time,
    Uuid,
    cast,
)
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import BigInteger, TypeEngine

from foretell.core.db import UtcDateTime
from foretell.resources.columns import Kind, ResourceColumn
from foretell.resources.description import ResourceDescription

_KNOWN = (Boolean, Date, DateTime, Enum, Integer, JSON, Numeric, String, Time, Uuid)
_AS_TEXT = (Kind.DECIMAL, Kind.UUID)

_WIDEST: Mapping[Kind, TypeEngine[Any]] = {
    Kind.TEXT: Text(),
    Kind.INTEGER: BigInteger(),
    Kind.FLOAT: Double(),
    Kind.DECIMAL: Numeric(),
    Kind.BOOLEAN: Boolean(),
    Kind.DATE: Date(),
    Kind.TIME: Time(),
    Kind.DATETIME: DateTime(timezone=True),
    Kind.UUID: Uuid(),
}


def is_servable(description: ResourceDescription) -> bool:
    """Whether the fast path can serve a resource: nothing of the user's own code
    takes part, and no type is one that only SQLAlchemy can convert."""
    return description.is_plain and all(
        isinstance(column.column.type, (UtcDateTime, *_KNOWN))
        for column in description.columns
    )


def item_type(column: ResourceColumn) -> TypeEngine[Any]:
    """The type of an array's items on their way into a column."""
    return _WIDEST.get(column.kind, column.column.type)


def as_answered(column: ResourceColumn, element: Column[Any]) -> ColumnElement[Any]:
    """A column as rows hold it: a decimal and a UUID as the text that JSON has."""
    shown = cast(element, Text) if column.kind in _AS_TEXT else element
    return shown.label(column.name)


def stored_columns(description: ResourceDescription) -> list[ColumnElement[Any]]:
    """What every statement of a resource gives back, by name."""
    return [as_answered(c, c.column) for c in description.stored]
