"""What the parser makes of a text: one frozen node for each construct.

Nothing is known about columns yet; `check.py` turns this tree into a typed one.
`position` is the character of the text where a node starts (for an operator: where
the operator stands), counted from 1, and serves error messages alone.
"""

from dataclasses import dataclass
from datetime import date, datetime, time


@dataclass(frozen=True, slots=True)
class Literal:
    """TRUE, FALSE, NULL, a number, a text, or a day or time as in `DATE '2024-02-29'`."""

    value: bool | int | float | str | date | time | datetime | None
    position: int


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column, by its exact name."""

    name: str
    quoted: bool
    position: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`NOT x` or `-x`; the operator is `not` or `-`."""

    operator: str
    operand: "Node"
    position: int


@dataclass(frozen=True, slots=True)
class Binary:
    """`x + y`, `x = y`, `x AND y` …; words are in lower case, `<>` is `!=`."""

    operator: str
    left: "Node"
    right: "Node"
    position: int


@dataclass(frozen=True, slots=True)
class IsNull:
    """`x IS [NOT] NULL`."""

    operand: "Node"
    negated: bool
    position: int


@dataclass(frozen=True, slots=True)
class In:
    """`x [NOT] IN (…)`; there is at least one item."""

    operand: "Node"
    items: tuple["Node", ...]
    negated: bool
    position: int


@dataclass(frozen=True, slots=True)
class Between:
    """`x [NOT] BETWEEN low AND high`, both ends included."""

    operand: "Node"
    low: "Node"
    high: "Node"
    negated: bool
    position: int


@dataclass(frozen=True, slots=True)
class Like:
    """`x [NOT] LIKE 'pattern' [ESCAPE 'character']`."""

    operand: "Node"
    pattern: str
    escape: str | None
    negated: bool
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """`name(argument, …)`; the name is in lower case."""

    name: str
    arguments: tuple["Node", ...]
    position: int


@dataclass(frozen=True, slots=True)
class Case:
    """`CASE [operand] WHEN … THEN … [ELSE …] END`.

    Without operand each WHEN is a condition, with one it is a value to compare.
    """

    operand: "Node | None"
    branches: tuple[tuple["Node", "Node"], ...]
    otherwise: "Node | None"
    position: int


Node = (
    Literal | ColumnName | Unary | Binary | IsNull | In | Between | Like | Call | Case
)
