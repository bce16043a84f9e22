"""Cells of outside databases: what each is, and how it stands in the spool.

The spool (`tabular/spool.py`) is read by a child that knows the final type of each
column; here nobody does yet. So every cell is written in a form that all types it may
end up in can read: numbers as numbers, everything else as text, lists as lists.
"""

import base64
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import orjson

DECIMAL_DIGITS = 38
_LARGEST, _SMALLEST = 2**63 - 1, -(2**63)


class CellKind(StrEnum):
    """What a cell is, finer than the type of a column."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    LONG = "long"  # an integer beyond 64 bits
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    DATE = "date"
    TIME = "time"
    MOMENT = "moment"
    WALL_CLOCK = "wall_clock"  # a timestamp without a zone
    DURATION = "duration"
    BINARY = "binary"
    LIST = "list"
    DOCUMENT = "document"


class Missing(StrEnum):
    """Why a cell that held something is null."""

    NON_FINITE = "non_finite"  # NaN or infinity of a decimal


Encoded = tuple[CellKind | Missing, Any]


def encode(value: Any) -> Encoded:
    """What a cell is, and its form in the spool."""
    found = _ENCODERS.get(type(value))
    return _odd(value) if found is None else found(value)


def decode(kind: str, text: Any) -> Any:
    """A cell again: the largest value of an incremental import, kept as JSON."""
    read = _DECODERS.get(kind)
    return text if read is None else read(text)


def _integer(value: int) -> Encoded:
    if _SMALLEST <= value <= _LARGEST:
        return CellKind.INTEGER, value
    return CellKind.LONG, str(value)


def _decimal(value: Decimal) -> Encoded:
    if not value.is_finite():
        return Missing.NON_FINITE, None
    return CellKind.DECIMAL, format(value, "f")


def _float(value: float) -> Encoded:
    return CellKind.FLOAT, value if math.isfinite(value) else str(value)


def _text(value: str) -> Encoded:
    try:
        value.encode()
    except UnicodeEncodeError:
        value = value.encode("utf-8", "replace").decode()
    return CellKind.TEXT, value


def _moment(value: datetime) -> Encoded:
    if value.tzinfo is None:
        return CellKind.WALL_CLOCK, value.isoformat()
    try:
        return CellKind.MOMENT, value.astimezone(UTC).isoformat()
    except OverflowError:
        return CellKind.TEXT, value.isoformat()


def _time(value: time) -> Encoded:
    kind = CellKind.TIME if value.tzinfo is None else CellKind.TEXT
    return kind, value.isoformat()


def _duration(value: timedelta) -> Encoded:
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000
    return CellKind.DURATION, microseconds + value.microseconds


def _binary(value: Any) -> Encoded:
    return CellKind.BINARY, base64.b64encode(bytes(value)).decode()


def _list(value: Any) -> Encoded:
    cells = [None if item is None else encode(item) for item in value]
    kinds = {kind for kind, _ in filter(None, cells)}
    if kinds & {CellKind.LIST, CellKind.DOCUMENT, CellKind.BINARY}:
        return CellKind.DOCUMENT, _json(value)
    return CellKind.LIST, [None if cell is None else cell[1] for cell in cells]


def _document(value: Any) -> Encoded:
    return CellKind.DOCUMENT, _json(value)


def _json(value: Any) -> str:
    return orjson.dumps(_plain(value), option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: Any) -> Any:
    """A nested value as JSON has it."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return encode(value)[1]


def _odd(value: Any) -> Encoded:
    """Of a class of its own: as what it is derived from, or as its text."""
    if isinstance(value, Enum):
        return encode(value.value)
    for kind in (bool, int, float, Decimal, str, datetime, date, time, timedelta):
        if isinstance(value, kind):
            return _ENCODERS[kind](value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _binary(value)
    if isinstance(value, Mapping):
        return _document(value)
    if isinstance(value, list | tuple | set | frozenset):
        return _list(value)
    return _text(str(value))


def items_of(value: list[Any]) -> set[CellKind | Missing]:
    """What the items of an encoded list are."""
    return {
        _ITEM_KINDS.get(type(item), CellKind.TEXT) for item in value if item is not None
    }


_ITEM_KINDS: Mapping[type, CellKind] = {
    bool: CellKind.BOOLEAN,
    int: CellKind.INTEGER,
    float: CellKind.FLOAT,
    str: CellKind.TEXT,
}
_ENCODERS: Mapping[type, Callable[[Any], Encoded]] = {
    bool: lambda value: (CellKind.BOOLEAN, value),
    int: _integer,
    float: _float,
    Decimal: _decimal,
    str: _text,
    bytes: _binary,
    datetime: _moment,
    date: lambda value: (CellKind.DATE, value.isoformat()),
    time: _time,
    timedelta: _duration,
    list: _list,
    tuple: _list,
    dict: _document,
}
_DECODERS: Mapping[str, Callable[[Any], Any]] = {
    CellKind.LONG: int,
    CellKind.DECIMAL: Decimal,
    CellKind.FLOAT: float,
    CellKind.DATE: date.fromisoformat,
    CellKind.TIME: time.fromisoformat,
    CellKind.MOMENT: datetime.fromisoformat,
    CellKind.WALL_CLOCK: datetime.fromisoformat,
    CellKind.DURATION: lambda cell: timedelta(microseconds=cell),
    CellKind.BINARY: base64.b64decode,
}
