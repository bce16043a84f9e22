"""Reads rows back from bodies and predictions from answers, for counting.

Of a long body only its head was kept, which is cut anywhere: its first whole rows are
read one by one. Of many rows some are taken, at even distances.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

HEAD_BYTES = 64 * 1024
MAX_ROWS = 100

_scan = json.JSONDecoder().raw_decode
_BLANK = " \t\r\n"


def rows_in(body: bytes, names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Some of the rows of a body that `predict` has answered, by column.

    Args:
        names: The columns in the order in which a row by position has them.

    Returns:
        None at all for a body that is no JSON, such as an Arrow stream.
    """
    document = _document(body, ("rows", "data"))
    if "rows" in document:
        return _some(document["rows"])
    if "features" in document:
        return [dict(zip(names, document["features"], strict=True))]
    columns = document.get("columns")
    if columns is None:  # cut off before they came
        return []
    return [
        dict(zip(columns, row, strict=True)) for row in _some(document.get("data", ()))
    ]


def predictions_in(answer: bytes) -> list[Any]:
    """Some of the predictions of an answer."""
    found = _document(answer, ("predictions",)).get("predictions", ())
    return [one["prediction"] for one in _some(found)]


def _some(rows: Sequence[Any]) -> list[Any]:
    step = -(-len(rows) // MAX_ROWS) or 1
    return list(rows[::step])


def _document(text: bytes, lists: Sequence[str]) -> Mapping[str, Any]:
    if len(text) < HEAD_BYTES:
        found = orjson.loads(text)
        return found if isinstance(found, dict) else {}
    return dict(_members(text.decode("utf-8", "ignore"), lists))


def _members(text: str, lists: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Members of an object whose text is cut off, as far as they are whole.

    Args:
        lists: Members of which the first elements are enough.
    """
    at = _after(text, 0, "{")
    while at is not None:
        name, at = _value(text, at)
        at = None if at is None else _after(text, at, ":")
        if at is None:
            return
        if name in lists and text[at : at + 1] == "[":
            elements, at = _elements(text, at + 1)
            yield name, elements
        else:
            value, at = _value(text, at)
            if at is not None:
                yield name, value
        at = None if at is None else _after(text, at, ",")


def _elements(text: str, at: int) -> tuple[list[Any], int | None]:
    """The first elements of a list, and where it ends if it was read to its end."""
    found: list[Any] = []
    end: int | None = at
    while end is not None and len(found) < MAX_ROWS:
        value, end = _value(text, end)
        if end is None:
            break
        found.append(value)
        closing = _after(text, end, "]")
        if closing is not None:
            return found, closing
        end = _after(text, end, ",")
    return found, None


def _value(text: str, at: int) -> tuple[Any, int | None]:
    while text[at : at + 1] in _BLANK and at < len(text):
        at += 1
    try:
        return _scan(text, at)
    except (ValueError, RecursionError):
        return None, None


def _after(text: str, at: int, mark: str) -> int | None:
    """Where the text goes on behind a mark; `None` when something else stands there."""
    while at < len(text) and text[at] in _BLANK:
        at += 1
    if text[at : at + 1] != mark:
        return None
    at += 1
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at
