"""Pydantic and Marshmallow classes as contracts of rows.

What a class says with built-in types and limits becomes rules of ours, so twins in both
libraries give the same errors, and the rules give the options of an import. A class
with validators of its own is also run on each row that keeps the rules.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from foretell.core.columns import ColumnType

MAX_ERRORS = 100
_TRUE, _FALSE = {"true", "1", "yes", "t"}, {"false", "0", "no", "f"}
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


@dataclass(frozen=True, slots=True)
class ContractError:
    """One cell that breaks the contract; rows count from 1."""

    row: int
    column: str
    code: str
    message: str


@dataclass(slots=True)
class ContractReport:
    """What a check found: the first 100 errors, and all of them counted.

    Attributes:
        counts: Errors by (column, code).
    """

    rows: int = 0
    bad_rows: int = 0
    errors: list[ContractError] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        return not self.counts

    def add(self, row: int, column: str, code: str, message: str) -> None:
        self.counts[column, code] += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(ContractError(row, column, code, message))


@dataclass(frozen=True, slots=True)
class RowContract:
    """The rules of a class, and what of it no rule of ours says.

    Attributes:
        own: Runs the class's own validators on a row that keeps the rules: a list of
            (column, words). `None` where it has none.
    """

    rules: tuple[ColumnRule, ...]
    own: Own | None = None

    @classmethod
    def of(cls, contract: Any) -> "RowContract":
        """The contract of a Pydantic model or a Marshmallow schema (class or instance).

        Raises:
            TypeError: It is neither.
        """
        from pydantic import BaseModel

        if isinstance(contract, type) and issubclass(contract, BaseModel):
            from foretell.datasets.pydantic_contracts import rules_of, validators_of

            return cls(tuple(rules_of(contract)), validators_of(contract))
        if hasattr(contract, "load") and hasattr(contract, "_declared_fields"):
            from foretell.datasets import marshmallow_contracts as marshmallow

            return cls(
                tuple(marshmallow.rules_of(contract)),
                marshmallow.validators_of(contract),
            )
        raise TypeError("a contract is a Pydantic model or a Marshmallow schema")

    def options(self) -> dict[str, Any]:
        """The same as options of an import: a cell that does not fit its type puts its
        row among the rejects, a file without a required column is refused."""
        return {
            "types": {rule.name: str(rule.type) for rule in self.rules},
            "required": [rule.name for rule in self.rules if rule.required],
        }

    def check(self, rows: Iterable[Mapping[str, Any]]) -> ContractReport:
        """Check rows, of text or of Python's own types. Streams."""
        report = ContractReport()
        for number, row in enumerate(rows, start=1):
            report.rows = number
            faults = list(self._faults(row))
            if not faults and self.own is not None:
                faults = [(column, "custom", said) for column, said in self.own(row)]
            report.bad_rows += bool(faults)
            for column, code, message in faults:
                report.add(number, column, code, message)
        return report

    def _faults(self, row: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
        for rule in self.rules:
            if rule.name not in row:
                if rule.required:
                    yield rule.name, "missing", "is missing"
                continue
            fault = rule.fault(row[rule.name])
            if fault is not None:
                yield rule.name, *fault


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
