"""The datatypes of tensors, in JSON and in bytes."""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from foretell.models.signature import InputField, InputType
from foretell.predictions.inference_protocol.errors import TensorsInvalid

TEXT = "BYTES"
_LENGTH = struct.Struct("<I")
_INTEGERS = {f"{sign}INT{8 * size}" for sign in ("", "U") for size in (1, 2, 4, 8)}
_FLOATS = {"FP16", "FP32", "FP64"}
_FORMATS = {
    "BOOL": "?",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
OWN: dict[str, str] = {
    "boolean": "BOOL",
    "integer": "INT64",
    "float": "FP64",
    "text": TEXT,
}
"""The datatype that the types of a signature have here."""
_TAKEN: dict[InputType, frozenset[str]] = {
    "boolean": frozenset({"BOOL"}),
    "integer": frozenset(_INTEGERS),
    "float": frozenset(_INTEGERS | _FLOATS),
    "text": frozenset({TEXT}),
}


def fits(datatype: str, field: InputField) -> bool:
    """Whether values of `datatype` are exact as values of an input."""
    return datatype in _TAKEN[field.type]


@dataclass(frozen=True, slots=True)
class Values:
    """The elements of one tensor in row-major order, as JSON has them."""

    datatype: str
    elements: Sequence[Any]


def from_bytes(name: str, datatype: str, raw: bytes, count: int) -> Values:
    """The elements that `raw` holds, little-endian.

    Raises:
        TensorsInvalid: It holds more or fewer than `count`, or no text.
    """
    if datatype == TEXT:
        return Values(datatype, _texts(name, raw, count))
    code = _FORMATS[datatype]
    if struct.calcsize(f"<{code}") * count != len(raw):
        raise TensorsInvalid(
            f"Input {name!r}: {len(raw)} bytes are not {count} values of {datatype}."
        )
    return Values(datatype, struct.unpack(f"<{count}{code}", raw))


def from_json(name: str, datatype: str, data: list[Any], count: int) -> Values:
    """The elements of a list, nested as the shape is or flat.

    Raises:
        TensorsInvalid: There are more or fewer, or of another kind.
    """
    elements = flat(name, data)
    if len(elements) != count:
        raise TensorsInvalid(
            f"Input {name!r}: the shape asks for {count} values, data holds "
            f"{len(elements)}."
        )
    is_right = _CHECKS[datatype]
    for place, element in enumerate(elements):
        if element is not None and not is_right(element):
            raise TensorsInvalid(
                f"Input {name!r}: value {place} is not of the datatype {datatype}."
            )
    return Values(datatype, elements)


def demand_known(name: str, datatype: str) -> None:
    """Return if the protocol has that datatype."""
    if datatype != TEXT and datatype not in _FORMATS:
        known = ", ".join([*_FORMATS, TEXT])
        raise TensorsInvalid(
            f"Input {name!r}: unknown datatype {datatype!r}; there are {known}."
        )


def to_bytes(values: Values) -> bytes:
    """The elements, little-endian; a float that is missing is not a number."""
    if values.datatype == TEXT:
        pieces = []
        for element in values.elements:
            text = b"" if element is None else str(element).encode()
            pieces += [_LENGTH.pack(len(text)), text]
        return b"".join(pieces)
    filler: Any = math.nan if values.datatype in _FLOATS else 0
    whole = [filler if e is None else e for e in values.elements]
    return struct.pack(f"<{len(whole)}{_FORMATS[values.datatype]}", *whole)


def _texts(name: str, raw: bytes, count: int) -> list[str]:
    found: list[str] = []
    at = 0
    try:
        while at < len(raw):
            (size,) = _LENGTH.unpack_from(raw, at)
            at += _LENGTH.size + size
            if at > len(raw):
                raise ValueError
            found.append(raw[at - size : at].decode())
    except (struct.error, ValueError):
        raise TensorsInvalid(
            f"Input {name!r}: text {len(found)} is cut short or is not UTF-8."
        ) from None
    if len(found) != count:
        raise TensorsInvalid(
            f"Input {name!r}: the shape asks for {count} texts, it holds {len(found)}."
        )
    return found


def flat(name: str, data: list[Any]) -> list[Any]:
    """The elements of a list that is nested as a shape is, or flat already."""
    while data and isinstance(data[0], list):
        if not all(isinstance(one, list) for one in data):
            raise TensorsInvalid(f"Input {name!r}: data is nested unevenly.")
        data = [element for one in data for element in one]
    return data


def _is_float(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer_of(datatype: str) -> Callable[[Any], bool]:
    bits = int(datatype.partition("INT")[2])
    least, most = (
        (0, 2**bits - 1)
        if datatype.startswith("U")
        else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )

    def check(value: Any) -> bool:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return is_whole and least <= value <= most

    return check


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "BOOL": lambda value: isinstance(value, bool),
    TEXT: lambda value: isinstance(value, str),
    **dict.fromkeys(_FLOATS, _is_float),
    **{datatype: _is_integer_of(datatype) for datatype in _INTEGERS},
}
