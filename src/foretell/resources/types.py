"""Column types that hold the same values on SQLite, PostgreSQL and MySQL.

What SQLAlchemy's generic types make of a declaration differs: a decimal is a float
on SQLite, a float has 24 bits on MySQL, an enum sorts by declaration on PostgreSQL,
and text sorts by locale. A resource answers alike everywhere, so its table gets the
types below in place of those.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    Enum,
    Float,
    Integer,
    Numeric,
    String,
    Text,
    Time,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.mysql import LONGTEXT, TIME
from sqlalchemy.types import TypeEngine

from foretell.core.db import UtcDateTime
from foretell.resources.errors import ResourceDeclarationError

DECIMAL_DIGITS = 18
"""A decimal is a 64-bit integer on SQLite, which has no exact type of its own."""
_DEFAULT_SCALE = 6
_MYSQL = ("mysql", "mariadb")
_ENUM_LENGTH = 64


class ScaledDecimal(TypeDecorator[Decimal]):
    """A decimal as a whole number of its last digits: 12.50 is 1250."""

    impl = BigInteger
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__()
        self.precision = precision
        self.scale = scale

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:
        if value is None:
            return None
        return int(Decimal(value).scaleb(self.scale).to_integral_value())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-self.scale)


def make_portable(column: Column[Any]) -> None:
    """Give `column`, which belongs to no table yet, a type that is alike everywhere."""
    column.type = _portable(column.type)
    if column.primary_key and isinstance(column.type, BigInteger):
        # SQLite counts up only what is declared INTEGER.
        column.type = BigInteger().with_variant(Integer(), "sqlite")


def _portable(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    match type_:
        case TypeDecorator():
            return type_
        case Enum():
            return _enum(type_)
        case Float():
            return Double()
        case Numeric():
            return _decimal(type_)
        case DateTime():
            return UtcDateTime()
        case Time():
            return Time().with_variant(TIME(fsp=6), *_MYSQL)
        case Uuid(native_uuid=True):
            # MariaDB's own type does not sort by the digits.
            as_uuid: Any = type_.as_uuid
            digits = Uuid(as_uuid=as_uuid, native_uuid=False)
            return type_.with_variant(digits, *_MYSQL)
        case JSON():
            return JSON(none_as_null=True)
        case String():
            return _text(type_)
    return type_


def _enum(type_: Enum) -> Enum:
    values = _values(type_)
    return Enum(
        *([type_.enum_class] if type_.enum_class else values),
        native_enum=False,
        create_constraint=False,
        length=max(_ENUM_LENGTH, *map(len, values)),
        values_callable=_stored if type_.enum_class else None,
    )


def _values(type_: Enum) -> list[str]:
    return _stored(type_.enum_class) if type_.enum_class else list(type_.enums)


def _stored(enum_class: Any) -> list[str]:
    # The API speaks of values; SQLAlchemy would store the names of the members.
    return [str(member.value) for member in enum_class]


def _decimal(type_: Numeric[Any]) -> TypeEngine[Any]:
    precision = type_.precision or DECIMAL_DIGITS
    scale = type_.scale
    if scale is None:
        scale = 0 if type_.precision else _DEFAULT_SCALE
    if precision > DECIMAL_DIGITS:
        raise ResourceDeclarationError(
            f"a decimal of a resource has at most {DECIMAL_DIGITS} digits, "
            f"not {precision}"
        )
    exact: Numeric[Any] = Numeric(precision, scale)
    return exact.with_variant(ScaledDecimal(precision, scale), "sqlite")


def _text(type_: String) -> TypeEngine[Any]:
    if type_.length is not None:
        by_code_point = String(type_.length, collation="C")
        return String(type_.length).with_variant(by_code_point, "postgresql")
    return (
        Text()
        .with_variant(LONGTEXT(), *_MYSQL)
        .with_variant(Text(collation="C"), "postgresql")
    )
