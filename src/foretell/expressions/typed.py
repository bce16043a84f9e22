"""The typed tree: what `check.py` makes and every compiler reads.

It is smaller than the parsed tree. BETWEEN, IN over columns, NULLIF and `CASE x` are
written out with simpler nodes, and every change of type is an operation of its own, so
that a compiler decides nothing about the meaning. Where a node is used twice it is the
same object: a compiler that remembers nodes by identity does the work once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from foretell.core.columns import ColumnType

Value = bool | int | float | Decimal | str | date | time | datetime | None


@dataclass(frozen=True, slots=True)
class TypedLiteral:
    """A constant; a float is never NaN, a timestamp has no zone (it is UTC)."""

    type: ColumnType
    value: Value


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column, by its exact name."""

    type: ColumnType
    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator or a function applied to its arguments.

    Attributes:
        operator: A name in `OPERATORS` or in the function table.
    """

    type: ColumnType
    operator: str
    arguments: tuple["TypedNode", ...]


@dataclass(frozen=True, slots=True)
class TypedCase:
    """The value of the first branch whose condition is true (not false, not null)."""

    type: ColumnType
    branches: tuple[tuple["TypedNode", "TypedNode"], ...]
    otherwise: "TypedNode"


@dataclass(frozen=True, slots=True)
class OwnCall:
    """A function of an extension, applied to arguments of exactly its types.

    Attributes:
        function: Gives the value of one row; called with no null.
    """

    type: ColumnType
    name: str
    function: Callable[..., Value]
    arguments: tuple["TypedNode", ...]


TypedNode = TypedLiteral | TypedColumn | Operation | OwnCall | TypedCase

OPERATORS = frozenset(
    (
        *("and", "or", "not", "is_null", "in", "like", "join", "convert"),
        *("eq", "ne", "lt", "le", "gt", "ge"),
        *("add", "subtract", "multiply", "divide", "modulo", "negate"),
    )
)
"""The operators beside the functions.

`in` holds an operand and literals of its type; `like` an operand, the pattern and the
escape character (a null literal where there is none); `divide` two floats; `join` is
`||`; `convert` goes from integer to float or decimal, from decimal to float and from
date to timestamp, which never fails.
"""


def is_null_literal(node: TypedNode) -> bool:
    return isinstance(node, TypedLiteral) and node.value is None


def children(node: TypedNode) -> Iterator[TypedNode]:
    """Give the nodes below a node; a shared one as often as it is used."""
    if isinstance(node, Operation | OwnCall):
        yield from node.arguments
    elif isinstance(node, TypedCase):
        for branch in node.branches:
            yield from branch
        yield node.otherwise


def expanded_size(node: TypedNode) -> int:
    """Count the nodes as if nothing were shared."""
    known: dict[int, int] = {}

    def count(current: TypedNode) -> int:
        if id(current) not in known:
            known[id(current)] = 1 + sum(count(child) for child in children(current))
        return known[id(current)]

    return count(node)


def column_names(node: TypedNode) -> list[str]:
    """List the columns that a value depends on, each once, in order of appearance."""
    seen: set[int] = set()
    names: dict[str, None] = {}

    def visit(current: TypedNode) -> None:
        if id(current) in seen:
            return
        seen.add(id(current))
        if isinstance(current, TypedColumn):
            names[current.name] = None
        for child in children(current):
            visit(child)

    visit(node)
    return list(names)
