"""What a resource knows of one column, read off the table once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Table,
    Time,
    Uuid,
)
from sqlalchemy.types import BigInteger, TypeDecorator, TypeEngine

from foretell.core.columns import ColumnType
from foretell.resources.errors import ResourceDeclarationError


class Kind(StrEnum):
    """Kinds of values; each has one form in JSON and one order on every database."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    UUID = "uuid"
    ENUM = "enum"
    JSON = "json"


COLUMN_TYPES: Mapping[Kind, ColumnType] = {
    Kind.TEXT: ColumnType.TEXT,
    Kind.INTEGER: ColumnType.INTEGER,
    Kind.FLOAT: ColumnType.FLOAT,
    Kind.DECIMAL: ColumnType.DECIMAL,
    Kind.BOOLEAN: ColumnType.BOOLEAN,
    Kind.DATE: ColumnType.DATE,
    Kind.TIME: ColumnType.TIME,
    Kind.DATETIME: ColumnType.TIMESTAMP,
    Kind.UUID: ColumnType.TEXT,
    Kind.ENUM: ColumnType.TEXT,
    Kind.JSON: ColumnType.STRUCT,
}
"""How the expression language sees a kind."""

_TO_JSON: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.DECIMAL: lambda value: format(value, "f"),
    # SQLite gives what it has just written back as it came: 3 for 3.0.
    Kind.FLOAT: float,
    # A driver's own UUID is not known to the JSON writer.
    Kind.UUID: str,
}

# The first that fits: an enum is a string to SQLAlchemy, a float a number.
_KINDS: tuple[tuple[type[TypeEngine[Any]], Kind], ...] = (
    (Boolean, Kind.BOOLEAN),
    (Enum, Kind.ENUM),
    (String, Kind.TEXT),
    (Integer, Kind.INTEGER),
    (Float, Kind.FLOAT),
    (Numeric, Kind.DECIMAL),
    (DateTime, Kind.DATETIME),
    (Date, Kind.DATE),
    (Time, Kind.TIME),
    (Uuid, Kind.UUID),
    (JSON, Kind.JSON),
)


@dataclass(frozen=True, slots=True)
class ResourceColumn:
    """One column as the API shows it.

    Attributes:
        name: Attribute of the model and key in JSON.
        column: The column of the table.
        is_key: It is the primary key.
        is_indexed: An index starts with it, so it can filter a list.
        is_readable: Answers hold it.
        is_writable, is_changeable: A POST, a PATCH may set it.
        is_optional: A POST may leave it out.
        default: What a row gets that leaves it out: a value, or a function of none.
        max_length: Of a text, in characters.
        minimum, maximum: Of an integer.
        precision, scale: Digits of a decimal, and how many follow the point.
        values: What an enum may be.
        references: Table and column that a foreign key names.
    """

    name: str
    column: Column[Any]
    kind: Kind
    nullable: bool
    is_key: bool
    is_indexed: bool
    is_readable: bool
    is_writable: bool
    is_changeable: bool
    is_optional: bool
    default: Any = None
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    precision: int | None = None
    scale: int | None = None
    values: tuple[str, ...] = ()
    enum_class: type[Any] | None = None
    references: tuple[str, str] | None = None

    @property
    def type(self) -> ColumnType:
        """The type of the column in expressions and datasets."""
        return COLUMN_TYPES[self.kind]

    @property
    def to_json(self) -> Callable[[Any], Any] | None:
        """Turns a value that is not null into what the JSON writer takes; `None`
        where it takes it as it is (moments in UTC, dates and times too)."""
        return _TO_JSON.get(self.kind)

    def make_default(self) -> Any:
        """The value of a row that leaves the column out."""
        return self.default() if callable(self.default) else self.default


def column_of(name: str, column: Column[Any]) -> ResourceColumn:
    """Describe one column.

    Raises:
        ResourceDeclarationError: Its type has no form in JSON and it is not hidden.
    """
    info = column.info
    hidden = bool(info.get("hidden"))
    kind = _kind_of(column, hidden)
    is_own_key = column.primary_key and _makes_itself(column, kind)
    read_only = hidden or bool(info.get("read_only")) or is_own_key
    return ResourceColumn(
        name=name,
        column=column,
        kind=kind,
        nullable=bool(column.nullable),
        is_key=column.primary_key,
        is_indexed=_is_indexed(column),
        is_readable=not (hidden or info.get("write_only")),
        is_writable=not read_only,
        is_changeable=not (read_only or column.primary_key or info.get("immutable")),
        is_optional=_is_optional(column),
        default=_default_of(column),
        references=_references(column),
        **_limits(column, kind),
    )


def _kind_of(column: Column[Any], hidden: bool) -> Kind:
    type_ = column.type
    impl = type_.impl_instance if isinstance(type_, TypeDecorator) else type_
    for known, kind in _KINDS:
        if isinstance(impl, known):
            return kind
    if hidden:
        return Kind.JSON
    raise ResourceDeclarationError(
        f"{column}: a column of type {type_!r} has no form in JSON; "
        'hide it with info={"hidden": True}'
    )


def _makes_itself(column: Column[Any], kind: Kind) -> bool:
    if kind is Kind.INTEGER:
        return column.autoincrement is not False and not column.foreign_keys
    return kind is Kind.UUID or column.default is not None


def _is_indexed(column: Column[Any]) -> bool:
    table: Table = column.table
    return bool(
        column.primary_key
        or column.unique
        or any(next(iter(index.columns), None) is column for index in table.indexes)
        or any(
            next(iter(getattr(item, "columns", ())), None) is column
            for item in table.constraints
            if item.__visit_name__ == "unique_constraint"
        )
    )


def _is_optional(column: Column[Any]) -> bool:
    return bool(
        column.nullable
        or column.default is not None
        or column.server_default is not None
    )


def _default_of(column: Column[Any]) -> Any:
    default: Any = column.default
    if default is None or default.is_clause_element or default.is_sequence:
        return None
    if not default.is_callable:
        return default.arg
    return lambda: default.arg(None)


def _references(column: Column[Any]) -> tuple[str, str] | None:
    for key in column.foreign_keys:
        table, _, name = key.target_fullname.rpartition(".")
        return table, name
    return None


def _limits(column: Column[Any], kind: Kind) -> dict[str, Any]:
    type_: Any = column.type
    if isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    match kind:
        case Kind.TEXT:
            return {"max_length": type_.length}
        case Kind.INTEGER:
            bits = _bits(type_)
            return {"minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1}
        case Kind.DECIMAL:
            return {"precision": type_.precision, "scale": type_.scale}
        case Kind.ENUM:
            return {"values": tuple(type_.enums), "enum_class": type_.enum_class}
    return {}


def _bits(type_: TypeEngine[Any]) -> int:
    if isinstance(type_, SmallInteger):
        return 16
    return 64 if isinstance(type_, BigInteger) else 32
