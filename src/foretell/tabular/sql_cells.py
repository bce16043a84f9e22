"""Cells of an SQL answer in the public JSON form: that of rows, for every engine type.

Integers exact, decimals as text, numbers that are not finite null, bytes as base64,
times in ISO form, in UTC with `Z` where there is a zone.
"""

import base64
import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa

from foretell.core.columns import ColumnType

_INTEGERS = frozenset(
    [
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
    ]
)
_TYPES = {
    "BOOLEAN": ColumnType.BOOLEAN,
    "FLOAT": ColumnType.FLOAT,
    "DOUBLE": ColumnType.FLOAT,
    "DATE": ColumnType.DATE,
    "INTERVAL": ColumnType.DURATION,
    "BLOB": ColumnType.BINARY,
}
_STARTS = (
    ("DECIMAL", ColumnType.DECIMAL),
    ("TIMESTAMP", ColumnType.TIMESTAMP),
    ("TIME", ColumnType.TIME),
    ("STRUCT", ColumnType.STRUCT),
    ("MAP", ColumnType.STRUCT),
    ("UNION", ColumnType.STRUCT),
)


def column_type(kind: str) -> ColumnType:
    """The public type of an engine type, such as `DECIMAL(10,2)` or `INTEGER[]`."""
    if kind.endswith("]"):
        return ColumnType.LIST
    if kind in _INTEGERS:
        return ColumnType.INTEGER
    if kind in _TYPES:
        return _TYPES[kind]
    for start, public in _STARTS:
        if kind.startswith(start):
            return public
    return ColumnType.TEXT


def cells_of(column: Any, kind: str) -> list[Any]:
    """The cells of an Arrow column of an engine type, as JSON values."""
    if kind in ("HUGEINT", "UHUGEINT"):
        return [None if value is None else int(value) for value in column.to_pylist()]
    if kind in _INTEGERS or kind in ("BOOLEAN", "VARCHAR"):
        cells: list[Any] = column.to_pylist()
        return cells
    if pa.types.is_timestamp(column.type):
        return _timestamps(column)
    if pa.types.is_map(column.type):
        pairs = (None if value is None else dict(value) for value in _values(column))
        return [_public(pair) for pair in pairs]
    return [_public(value) for value in _values(column)]


def _timestamps(column: Any) -> list[Any]:
    # With a zone, each cell would have Arrow look for pandas, which takes seconds.
    plain = column.cast(pa.timestamp(column.type.unit))
    end = "" if column.type.tz is None else "Z"
    cells = (_public(value) for value in _values(plain))
    return [None if cell is None else f"{cell}{end}" for cell in cells]


def _values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):
        # Years that Python's dates do not reach; Arrow can write them as text.
        texts = column.cast(pa.string()).to_pylist()
        values = [None if text and text.startswith("<") else text for text in texts]
    return values


def _public(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return format(value, "f")
        case bytes():
            return base64.b64encode(value).decode()
        case dt.datetime():
            return _timestamp(value)
        case dt.time():
            return _short(value.isoformat())
        case dt.date():
            return value.isoformat()
        case dt.timedelta():
            return _interval(0, 0, value // dt.timedelta(microseconds=1) * 1000)
        case pa.MonthDayNano():
            return _interval(value.months, value.days, value.nanoseconds)
        case dict():
            return {str(name): _public(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_public(inner) for inner in value]
    return value


def _timestamp(value: dt.datetime) -> str:
    if value.tzinfo is None:
        return _short(value.isoformat())
    return _short(value.astimezone(dt.UTC).replace(tzinfo=None).isoformat()) + "Z"


def _short(text: str) -> str:
    """Milliseconds where the microseconds are zero, as rows have it."""
    return text[:-3] if "." in text and text.endswith("000") else text


def _interval(months: int, days: int, nanoseconds: int) -> str:
    """ISO 8601: `P1M2DT3.5S`; nothing at all is `PT0S`."""
    sign = "-" if nanoseconds < 0 else ""
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    date = f"{months}M" * bool(months) + f"{days}D" * bool(days)
    clock = f"{sign}{hours}H" * bool(hours) + f"{sign}{minutes}M" * bool(minutes)
    if seconds or fraction:
        clock += f"{sign}{seconds}{fraction}S"
    return "P" + date + ("T" + clock if clock else "") if date or clock else "PT0S"
