"""Rules for the cells of a column, and how a cell is read for them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from foretell.core.columns import ColumnType

_TRUE, _FALSE = {"true", "1", "yes", "t"}, {"false", "0", "no", "f"}
# Runs a class's own validators on a row: a list of (column, words).
Own = Callable[[Mapping[str, Any]], list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What the cells of one column have to be.

    Attributes:
        required: Whether the column has to be there.
        nullable: Whether a cell may be empty.
        minimum, maximum: Of a number or moment; `above` and `below` leave the limit out.
        shortest, longest: Characters of a text.
        pattern: Has to match from the start, as `re.match`.
    """

    name: str
    type: ColumnType
    required: bool = True
    nullable: bool = False
    minimum: Any = None
    maximum: Any = None
    above: Any = None
    below: Any = None
    shortest: int | None = None
    longest: int | None = None
    pattern: str | None = None
    values: tuple[Any, ...] | None = None

    def fault(self, cell: Any) -> tuple[str, str] | None:
        """Code and words of what is wrong with a cell; `None` if nothing is."""
        if cell is None or cell == "":
            return None if self.nullable else ("null", "is empty")
        try:
            value = _READERS[self.type](cell)
        except (ValueError, TypeError, InvalidOperation):
            return "type", f"is no {self.type}"
        return self._fault_of(value)

    def _fault_of(self, value: Any) -> tuple[str, str] | None:
        if self.values is not None and value not in self.values:
            return "in_set", "is none of " + ", ".join(map(str, self.values[:20]))
        limits: list[tuple[Any, Callable[[Any, Any], bool], str]] = [
            (self.minimum, lambda v, limit: v >= limit, "below"),
            (self.above, lambda v, limit: v > limit, "not above"),
            (self.maximum, lambda v, limit: v <= limit, "above"),
            (self.below, lambda v, limit: v < limit, "not below"),
        ]
        for limit, holds, word in limits:
            if limit is not None and not holds(value, limit):
                return "range", f"is {word} {limit}"
        size = len(value) if isinstance(value, str | bytes | list) else 0
        if self.shortest is not None and size < self.shortest:
            return "length", f"is shorter than {self.shortest}"
        if self.longest is not None and size > self.longest:
            return "length", f"is longer than {self.longest}"
        if self.pattern is not None and not re.match(self.pattern, str(value)):
            return "matches", f"does not match {self.pattern}"
        return None


def _boolean(cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    word = str(cell).lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise ValueError(word)


def _integer(cell: Any) -> int:
    if isinstance(cell, bool) or (isinstance(cell, float) and not cell.is_integer()):
        raise ValueError("not an integer")
    return int(cell)


def _float(cell: Any) -> float:
    if isinstance(cell, bool):
        raise TypeError("a boolean is no number")
    return float(cell)


def _decimal(cell: Any) -> Decimal:
    if isinstance(cell, bool):
        raise TypeError("a boolean is no number")
    return Decimal(str(cell))


def _text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise TypeError("not a text")
    return cell


def _reader(kind: type, read: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda cell: cell if isinstance(cell, kind) else read(cell)


def _as_it_is(cell: Any) -> Any:
    return cell


_READERS: Mapping[ColumnType, Callable[[Any], Any]] = {
    ColumnType.BOOLEAN: _boolean,
    ColumnType.INTEGER: _integer,
    ColumnType.FLOAT: _float,
    ColumnType.DECIMAL: _decimal,
    ColumnType.TEXT: _text,
    ColumnType.DATE: _reader(date, date.fromisoformat),
    ColumnType.TIME: _reader(time, time.fromisoformat),
    ColumnType.TIMESTAMP: _reader(datetime, datetime.fromisoformat),
    ColumnType.DURATION: _as_it_is,
    ColumnType.BINARY: _as_it_is,
    ColumnType.LIST: _as_it_is,
    ColumnType.STRUCT: _as_it_is,
}
