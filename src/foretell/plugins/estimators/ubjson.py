"""Reads and writes UBJSON in the dialect of XGBoost.

XGBoost's own reader copies as many bytes as a length in the file says, so nothing it
gets may come from a caller unread. Every length is 64 bits, every number big-endian.

Source:
    The format's description (ubjson.org), and what XGBoost's `UBJWriter` emits.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_DEPTH = 32
MAX_VALUES = 5_000_000

_NUMBERS = {
    "i": struct.Struct(">b"),
    "U": struct.Struct(">B"),
    "I": struct.Struct(">h"),
    "l": struct.Struct(">i"),
    "L": struct.Struct(">q"),
    "d": struct.Struct(">f"),
    "D": struct.Struct(">d"),
}
_ITEMS: dict[str, np.dtype[Any]] = {
    "i": np.dtype(">i1"),
    "U": np.dtype(">u1"),
    "I": np.dtype(">i2"),
    "l": np.dtype(">i4"),
    "L": np.dtype(">i8"),
    "d": np.dtype(">f4"),
    "D": np.dtype(">f8"),
}
_CONSTANTS = {"Z": None, "T": True, "F": False}


class BadUbjson(ValueError):
    """The bytes are no whole document of this dialect."""


def read(data: bytes, *, inside: str | None = None) -> Any:
    """The value that the bytes hold.

    Args:
        inside: Give back only what this key of the outermost object holds.

    Returns:
        Objects as dictionaries, typed arrays as numpy arrays, other arrays as lists.

    Raises:
        BadUbjson: Cut off, followed by other bytes, too deep or of too many values.
    """
    reader = _Reader(data)
    found = reader.value(0)
    if not reader.is_at_end:
        raise BadUbjson("There are bytes after the end of the document.")
    if inside is None:
        return found
    if not isinstance(found, dict) or inside not in found:
        raise BadUbjson(f"The document has no {inside!r}.")
    return found[inside]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._left = MAX_VALUES

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise BadUbjson(f"It is nested deeper than {MAX_DEPTH} levels.")
        self._left -= 1
        if self._left < 0:
            raise BadUbjson(f"It has more than {MAX_VALUES:,} values.")
        marker = self._marker()
        if marker == "{":
            return self._object(depth)
        if marker == "[":
            return self._array(depth)
        if marker == "S":
            return self._text()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        return self._number(marker)

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._at:
            raise BadUbjson("It ends before the data it announces.")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def _marker(self) -> str:
        return self._take(1).decode("latin-1")

    def _peek(self) -> str:
        return self._data[self._at : self._at + 1].decode("latin-1")

    def _number(self, marker: str) -> Any:
        layout = _NUMBERS.get(marker)
        if layout is None:
            raise BadUbjson(f"It holds a value of the unknown kind {marker!r}.")
        return layout.unpack(self._take(layout.size))[0]

    def _length(self) -> int:
        if self._marker() != "L":
            raise BadUbjson("A length is not written as 64 bits.")
        return int(self._number("L"))

    def _text(self) -> str:
        try:
            return self._take(self._length()).decode()
        except UnicodeDecodeError as error:
            raise BadUbjson("A text is not UTF-8.") from error

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._peek() != "}":
            key = self._text()
            if key in found:
                raise BadUbjson(f"The key {key[:80]!r} is there twice.")
            found[key] = self.value(depth + 1)
        self._take(1)
        return found

    def _array(self, depth: int) -> Any:
        if self._peek() == "$":
            return self._typed_array()
        if self._peek() == "#":
            self._take(1)
            count = self._length()
            if not 0 <= count <= len(self._data) - self._at:
                raise BadUbjson("It ends before the data it announces.")
            return [self.value(depth + 1) for _ in range(count)]
        items = []
        while self._peek() != "]":
            items.append(self.value(depth + 1))
        self._take(1)
        return items

    def _typed_array(self) -> npt.NDArray[Any]:
        self._take(1)
        dtype = _ITEMS.get(self._marker())
        if dtype is None or self._marker() != "#":
            raise BadUbjson("An array is of an unknown kind.")
        count = self._length()
        if count < 0:
            raise BadUbjson("An array has less than no items.")
        items = np.frombuffer(self._take(count * dtype.itemsize), dtype)
        return items.astype(dtype.newbyteorder("="))


def write(value: Any) -> bytes:
    """The document of a value; numpy arrays become typed arrays."""
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Any, parts: list[bytes]) -> None:
    if isinstance(value, np.ndarray):
        _write_array(value, parts)
    elif isinstance(value, Mapping):
        parts.append(b"{")
        for key, item in value.items():
            parts.append(_sized(key))
            _write(item, parts)
        parts.append(b"}")
    elif isinstance(value, str):
        parts.append(b"S" + _sized(value))
    elif isinstance(value, int):
        parts.append(b"L" + struct.pack(">q", value))
    elif isinstance(value, float):
        parts.append(b"d" + struct.pack(">f", value))
    elif isinstance(value, Sequence):
        parts.append(b"[#L" + struct.pack(">q", len(value)))
        for item in value:
            _write(item, parts)
    else:
        raise TypeError(f"{type(value).__name__} has no place in such a document.")


def _sized(text: str) -> bytes:
    data = text.encode()
    return b"L" + struct.pack(">q", len(data)) + data


def _write_array(array: npt.NDArray[Any], parts: list[bytes]) -> None:
    for code, dtype in _ITEMS.items():
        if array.dtype == dtype.newbyteorder("="):
            head = b"[$" + code.encode() + b"#L" + struct.pack(">q", array.size)
            parts.append(head + array.astype(dtype).tobytes())
            return
    raise TypeError(f"An array of {array.dtype} has no place in such a document.")
