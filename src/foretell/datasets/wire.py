"""Questions to a table engine, and its answers, as bytes between two processes.

They are dataclasses within dataclasses. Every object is written once and named by its
place afterwards: a typed tree uses the same node in many places, and written out it
could be larger than memory. Nothing but what is listed below is written or made again.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

import msgspec

from foretell.core.columns import Column, ColumnType
from foretell.datasets.ports import (
    Counted,
    Grouping,
    GroupKey,
    Groups,
    Measure,
    Part,
    RowsPage,
    RowsQuery,
    SortKey,
    Table,
)
from foretell.expressions.own import OwnFunction
from foretell.expressions.typed import (
    Operation,
    OwnCall,
    TypedCase,
    TypedColumn,
    TypedLiteral,
)

_CLASSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Table, Part, Column, RowsQuery, SortKey, Grouping, GroupKey, Measure),
        *(Groups, Counted, RowsPage),
        *(TypedLiteral, TypedColumn, Operation, TypedCase, OwnCall),
    )
}
_WORDS = 2**63
_TEXTS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "path": Path,
    "type": ColumnType,
}


def pack(value: Any) -> bytes:
    """Write a value of the classes above, of containers and of plain values.

    Raises:
        TypeError: Something in it is of another class.
    """
    packer = _Packer()
    root = packer.value(value)
    return msgspec.msgpack.encode([packer.objects, root])


def unpack(data: bytes, function: Callable[[str], Any] | None = None) -> Any:
    """Read what `pack` has written.

    Args:
        function: Finds a function of an extension by its place; without it a call of
            one is refused.

    Raises:
        ValueError: It names a function, and none is known.
    """
    objects, root = msgspec.msgpack.decode(data, type=tuple[list[Any], Any])
    return _Unpacker(function).read(objects, root)


class _Packer:
    def __init__(self) -> None:
        self.objects: list[Any] = []
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no identity is given twice

    def value(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, float, bytes)):
            return value
        if isinstance(value, ColumnType):
            return {"type": value.value}
        if isinstance(value, str):
            return value
        if isinstance(value, int):
            return value if -_WORDS <= value < _WORDS else {"int": str(value)}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, tuple):
            return {"tuple": [self.value(item) for item in value]}
        if isinstance(value, dict):
            return {"map": [[k, self.value(v)] for k, v in value.items()]}
        return self._text(value) or {"at": self._place(value)}

    def _text(self, value: Any) -> dict[str, str] | None:
        if isinstance(value, Decimal):
            return {"decimal": str(value)}
        for kind, name in ((datetime, "datetime"), (date, "date"), (time, "time")):
            if isinstance(value, kind):
                return {name: value.isoformat()}
        return {"path": str(value)} if isinstance(value, PurePath) else None

    def _place(self, value: Any) -> int:
        if id(value) in self._places:
            return self._places[id(value)]
        name = type(value).__name__
        if isinstance(value, OwnFunction):
            written = ["OwnFunction", value.place, value.name]
        elif _CLASSES.get(name) is type(value):
            names = [field.name for field in fields(_CLASSES[name])]
            parts = [self.value(getattr(value, each)) for each in names]
            written = [name, *parts]
        else:
            raise TypeError(f"{name} does not travel to a reader")
        self.objects.append(written)
        self._kept.append(value)
        place = self._places[id(value)] = len(self.objects) - 1
        return place


class _Unpacker:
    def __init__(self, function: Callable[[str], Any] | None) -> None:
        self._function = function
        self._objects: list[Any] = []

    def read(self, objects: list[Any], root: Any) -> Any:
        for written in objects:
            self._objects.append(self._made(written))
        return self.value(root)

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        ((tag, content),) = value.items()
        if tag == "tuple":
            return tuple(self.value(item) for item in content)
        if tag == "at":
            return self._objects[content]
        if tag == "map":
            return {key: self.value(item) for key, item in content}
        return _TEXTS[tag](content)

    def _made(self, written: list[Any]) -> Any:
        name, *parts = written
        if name == "OwnFunction":
            if self._function is None:
                raise ValueError("a function of an extension where none is known")
            return OwnFunction.of(self._function(parts[0]), parts[1])
        return _CLASSES[name](*map(self.value, parts))
