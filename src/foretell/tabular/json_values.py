"""Decode JSON for tables: numbers stay as written, nested objects become `a.b`."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

_DEEPEST = 64
_BARE_EXPONENT = re.compile(r"(?<=[eE])(?=[0-9])")

Path = tuple[str, ...]
"""The keys that lead to a cell: `("a", "b")` is shown as `a.b`."""

CellKind = Literal["text", "number", "boolean", "list"]


class Number(str):
    """A number as it is written, so that no digit of it is lost."""

    __slots__ = ()


class JsonList(str):
    """A list, written as JSON."""

    __slots__ = ()


DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number)


class NestedTooDeeply(ValueError):
    """An object holds objects, or lists, of more than 64 levels."""


def flattened(record: dict[str, Any]) -> dict[Path, Any]:
    """Return the cells of an object; those of objects inside of it by their path.

    Raises:
        NestedTooDeeply: It is nested too deeply to be a row.
    """
    return dict(_cells(record, ()))


def _cells(record: dict[str, Any], above: Path) -> Iterator[tuple[Path, Any]]:
    if len(above) > _DEEPEST:
        raise NestedTooDeeply
    for key, value in record.items():
        path = (*above, key)
        if isinstance(value, dict):
            yield from _cells(value, path)
        else:
            yield path, value


def kind_of(cell: Any) -> CellKind | None:
    """Return what a cell is; None for one without a value."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, Number):
        return "number"
    return "list" if isinstance(cell, JsonList) else "text"


def cell_text(cell: Any) -> str:
    """Return a cell as the text that the column typer reads."""
    if isinstance(cell, Number):
        if cell == "-0":
            return "0"
        return _BARE_EXPONENT.sub("+", cell)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def as_json(value: Any, depth: int = 0) -> str:
    """Write a decoded value as it was, numbers to the last digit.

    Raises:
        NestedTooDeeply: It is nested too deeply.
    """
    if depth > _DEEPEST:
        raise NestedTooDeeply
    if isinstance(value, Number):
        return value
    if isinstance(value, list):
        return f"[{','.join([as_json(item, depth + 1) for item in value])}]"
    if isinstance(value, dict):
        items = [
            f"{json.dumps(key, ensure_ascii=False)}:{as_json(item, depth + 1)}"
            for key, item in value.items()
        ]
        return f"{{{','.join(items)}}}"
    return json.dumps(value, ensure_ascii=False)
