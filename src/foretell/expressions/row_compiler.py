"""Compile a typed expression to a Python function of one row.

It writes the source of a function with one assignment for each node and lets Python
compile that: a row then costs a few hundred nanoseconds, where polars needs about
seventy microseconds. The source holds names made here and fixed templates, nothing
else: column names, texts and numbers are objects that the source refers to by such a
name, so nothing that a user wrote is ever read as code.

Nulls are None. Every node knows whether it can be null, and only then is tested.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from foretell.core.columns import ColumnType
from foretell.expressions import casing, row_functions
from foretell.expressions.literals import in_utc
from foretell.expressions.patterns import WHITE_SPACE, like_to_python
from foretell.expressions.typed import (
    Operation,
    OwnCall,
    TypedCase,
    TypedColumn,
    TypedLiteral,
    TypedNode,
)

RowFunction = Callable[[Mapping[str, Any]], Any]


def to_function(typed: TypedNode) -> RowFunction:
    """Give a function of one row.

    The row maps column names to values of the Python type of the column (bool, int in
    64 bits, Decimal, float, str, date, time, datetime, timedelta) or None; further keys
    do no harm. It is for the caller to see that they are of those types; an `int` in a
    float column in particular would be computed as an integer.

    Raises:
        KeyError: By the function, where the row lacks a column.
    """
    compiler = _Compiler()
    result = compiler.compile(typed)
    return compiler.finish(result)


def to_record(values: Mapping[str, TypedNode]) -> RowFunction:
    """Give a function of one row that gives several values by name, in a dict.

    What they share is computed once.
    """
    compiler = _Compiler()
    results = {name: compiler.compile(node) for name, node in values.items()}
    return compiler.finish_record(results)


@dataclass(frozen=True, slots=True)
class _Name:
    """A name of the generated source that holds a value."""

    text: str
    nullable: bool
    literal: bool = False


class _Compiler:
    def __init__(self) -> None:
        self._namespace: dict[str, Any] = dict(_NAMESPACE)
        self._lines: list[str] = []
        self._known: dict[int, _Name] = {}
        self._columns: dict[str, _Name] = {}

    def finish(self, result: _Name) -> RowFunction:
        return self._returning(result.text)

    def finish_record(self, results: Mapping[str, _Name]) -> RowFunction:
        pairs = [
            f"{self._bind(name).text}: {result.text}"
            for name, result in results.items()
        ]
        return self._returning("{" + ", ".join(pairs) + "}")

    def _returning(self, result: str) -> RowFunction:
        body = "\n".join(f"    {line}" for line in [*self._lines, f"return {result}"])
        source = f"def evaluate(row):\n{body}\n"
        # The source is made of the templates below and of names made by `_bind` and
        # `_assign`; see the head of the module.
        exec(compile(source, "<expression>", "exec"), self._namespace)  # noqa: S102
        function: RowFunction = self._namespace["evaluate"]
        return function

    def compile(self, node: TypedNode) -> _Name:
        if id(node) not in self._known:
            self._known[id(node)] = self._build(node)
        return self._known[id(node)]

    def _build(self, node: TypedNode) -> _Name:
        match node:
            case TypedLiteral():
                return self._bind(node.value)
            case TypedColumn():
                return self._column(node)
            case TypedCase():
                return self._case(node)
            case OwnCall():
                return self._own(node)
            case Operation(operator="in"):
                return self._in(node)
            case Operation(operator="like"):
                return self._like(node)
        names = [self.compile(argument) for argument in node.arguments]
        if node.operator in _OWN_NULLS:
            return self._assign(*_OWN_NULLS[node.operator](*names))
        return self._strict(node, names)

    # --- the source -------------------------------------------------------------

    def _bind(self, value: object) -> _Name:
        """Make a value available to the source under a new name."""
        text = f"k{len(self._namespace)}"
        self._namespace[text] = value
        return _Name(text, nullable=value is None, literal=True)

    def _assign(self, source: str, nullable: bool) -> _Name:
        text = f"v{len(self._lines)}"
        self._lines.append(f"{text} = {source}")
        return _Name(text, nullable)

    def _column(self, node: TypedColumn) -> _Name:
        if node.name not in self._columns:
            name = self._assign(f"row[{self._bind(node.name).text}]", nullable=True)
            if node.type is ColumnType.TIMESTAMP:
                source = f"None if {name.text} is None else in_utc({name.text})"
                name = self._assign(source, nullable=True)
            self._columns[node.name] = name
        return self._columns[node.name]

    def _strict(self, node: Operation, names: list[_Name]) -> _Name:
        """Write an operation that is null where an argument is."""
        source = _strict_source(node, names)
        own_null = _may_give_null(node, names)
        tests = [f"{name.text} is None" for name in names if name.nullable]
        if tests:
            source = f"None if {' or '.join(tests)} else {source}"
        return self._assign(source, nullable=own_null or bool(tests))

    # --- single constructs ------------------------------------------------------

    def _own(self, node: OwnCall) -> _Name:
        names = [self.compile(argument) for argument in node.arguments]
        function = self._bind(node.function)
        call = f"{function.text}({', '.join(name.text for name in names)})"
        tests = [f"{name.text} is None" for name in names if name.nullable]
        source = f"None if {' or '.join(tests)} else {call}" if tests else call
        return self._assign(source, nullable=True)

    def _case(self, node: TypedCase) -> _Name:
        branches = [
            (self.compile(condition), self.compile(value))
            for condition, value in node.branches
        ]
        otherwise = self.compile(node.otherwise)
        choices = [f"{value.text} if {test.text} else " for test, value in branches]
        nullable = otherwise.nullable or any(value.nullable for _, value in branches)
        return self._assign("".join(choices) + otherwise.text, nullable)

    def _in(self, node: Operation) -> _Name:
        operand, *items = (self.compile(argument) for argument in node.arguments)
        values = [self._namespace[item.text] for item in items]
        has_null = None in values
        known = self._bind(frozenset(values) - {None})
        test = f"{operand.text} in {known.text}"
        if has_null:
            return self._assign(f"True if {test} else None", nullable=True)
        if operand.nullable:
            return self._assign(
                f"None if {operand.text} is None else {test}", nullable=True
            )
        return self._assign(test, nullable=False)

    def _like(self, node: Operation) -> _Name:
        text, pattern, escape = (self.compile(argument) for argument in node.arguments)
        regex = like_to_python(
            self._namespace[pattern.text], self._namespace[escape.text]
        )
        match = self._bind(regex.fullmatch)
        source = f"{match.text}({text.text}) is not None"
        if text.nullable:
            source = f"None if {text.text} is None else {source}"
        return self._assign(source, nullable=text.nullable)


# --- templates ------------------------------------------------------------------

_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1

_NAMESPACE: Mapping[str, Any] = {
    "__builtins__": {"float": float, "len": len, "abs": abs},
    "MIN": _MIN_INTEGER,
    "MAX": _MAX_INTEGER,
    "WHITE_SPACE": WHITE_SPACE,
    "in_utc": in_utc,
    "lower": casing.lower,
    "upper": casing.upper,
    "to_decimal": row_functions.to_decimal,
    "to_timestamp": row_functions.to_timestamp,
    "round_half_away": row_functions.round_half_away,
    "floor": row_functions.floor,
    "ceil": row_functions.ceil,
    "substr": row_functions.substr,
    "replace": row_functions.replace,
    "right": row_functions.right,
    "split_part": row_functions.split_part,
    "to_integer": row_functions.to_integer,
    "to_float": row_functions.to_float,
    "sqrt": row_functions.sqrt,
    "exp": row_functions.exp,
    "ln": row_functions.ln,
    "to_date": row_functions.to_date,
    "day_of_year": row_functions.day_of_year,
}

_STRICT: Mapping[str, str] = {
    "not": "not {0}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "negate": "-{0}",
    "abs": "abs({0})",
    "divide": "({0} / {1} if {1} else None)",
    "modulo": "({0} % {1} if {1} else None)",
    "join": "{0} + {1}",
    "lower": "lower({0})",
    "upper": "upper({0})",
    "trim": "{0}.strip(WHITE_SPACE)",
    "length": "len({0})",
    "substr": "substr({})",
    "replace": "replace({0}, {1}, {2})",
    "contains": "{1} in {0}",
    "starts_with": "{0}.startswith({1})",
    "ends_with": "{0}.endswith({1})",
    "round": "round_half_away({})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "year": "{0}.year",
    "month": "{0}.month",
    "day": "{0}.day",
    "ltrim": "{0}.lstrip(WHITE_SPACE)",
    "rtrim": "{0}.rstrip(WHITE_SPACE)",
    "right": "right({0}, {1})",
    "lpad": "{0}.rjust({1}, {2})",
    "rpad": "{0}.ljust({1}, {2})",
    "split_part": "split_part({0}, {1}, {2})",
    "to_integer": "to_integer({0})",
    "to_float": "to_float({0})",
    "sqrt": "sqrt({0})",
    "exp": "exp({0})",
    "ln": "ln({0})",
    "hour": "{0}.hour",
    "minute": "{0}.minute",
    "second": "{0}.second",
    "day_of_week": "{0}.isoweekday()",
    "quarter": "({0}.month + 2) // 3",
    "day_of_year": "day_of_year({0})",
    "to_date": "to_date({0})",
    "days_between": "({1} - {0}).days",
    "convert": "",  # by type, see `_strict_source`
}

_CONVERSIONS = {
    ColumnType.FLOAT: "float({0})",
    ColumnType.DECIMAL: "to_decimal({0})",
    ColumnType.TIMESTAMP: "to_timestamp({0})",
}

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_MAY_OVERFLOW = ("add", "subtract", "multiply", "negate", "abs")
_MAY_GIVE_NULL = (
    *_MAY_OVERFLOW,
    *("divide", "modulo", "split_part", "to_integer", "to_float"),
)
_WHOLE_NUMBERS_STAY = ("round", "floor", "ceil")


def _strict_source(node: Operation, names: list[_Name]) -> str:
    operator = node.operator
    if operator == "convert":
        return _CONVERSIONS[node.type].format(names[0].text)
    if operator in _COMPARISONS and node.arguments[0].type is ColumnType.FLOAT:
        return _compare_floats(operator, *names)
    if node.type is ColumnType.INTEGER and operator in _WHOLE_NUMBERS_STAY:
        return names[0].text
    texts = [name.text for name in names]
    template = _STRICT[operator]
    source = (
        template.format(", ".join(texts))
        if "{}" in template
        else template.format(*texts)
    )
    if node.type is ColumnType.INTEGER and operator in _MAY_OVERFLOW:
        return f"(t if MIN <= (t := {source}) <= MAX else None)"
    return source


def _may_give_null(node: Operation, names: list[_Name]) -> bool:
    if node.operator in _MAY_OVERFLOW:
        return node.type is ColumnType.INTEGER
    return node.operator in _MAY_GIVE_NULL


def _compare_floats(operator: str, left: _Name, right: _Name) -> str:
    """Write a comparison in which NaN equals itself and is above every number."""
    if operator in ("lt", "le"):
        mirrored = {"lt": "gt", "le": "ge"}[operator]
        return _compare_floats(mirrored, right, left)
    # A literal is never NaN, which saves most of the tests.
    left_nan = "False" if left.literal else f"{left.text} != {left.text}"
    right_nan = "False" if right.literal else f"{right.text} != {right.text}"
    match operator:
        case "gt":
            source = f"not ({left.text} <= {right.text} or {right_nan})"
        case "ge":
            source = f"({left.text} >= {right.text} or {left_nan})"
        case _:
            same = f"({left.text} == {right.text} or ({left_nan} and {right_nan}))"
            source = same if operator == "eq" else f"not {same}"
    return source


def _and(left: _Name, right: _Name) -> tuple[str, bool]:
    a, b = left.text, right.text
    if not (left.nullable or right.nullable):
        return f"{a} and {b}", False
    source = f"False if {a} is False or {b} is False else "
    return source + f"None if {a} is None or {b} is None else True", True


def _or(left: _Name, right: _Name) -> tuple[str, bool]:
    a, b = left.text, right.text
    if not (left.nullable or right.nullable):
        return f"{a} or {b}", False
    source = f"True if {a} or {b} else "
    return source + f"None if {a} is None or {b} is None else False", True


def _is_null(value: _Name) -> tuple[str, bool]:
    return f"{value.text} is None", False


def _concat(*values: _Name) -> tuple[str, bool]:
    # `or ""` changes nothing else: the only other false text is the empty one.
    parts = [
        f'({value.text} or "")' if value.nullable else value.text for value in values
    ]
    return " + ".join(parts), False


def _coalesce(*values: _Name) -> tuple[str, bool]:
    *first, last = values
    choices = [f"{value.text} if {value.text} is not None else " for value in first]
    return "".join(choices) + last.text, all(value.nullable for value in values)


_OWN_NULLS: Mapping[str, Callable[..., tuple[str, bool]]] = {
    "and": _and,
    "or": _or,
    "is_null": _is_null,
    "concat": _concat,
    "coalesce": _coalesce,
}
"""Operations that are not simply null where an argument is."""

OPERATIONS = frozenset({*_STRICT, *_OWN_NULLS, "in", "like"})
"""Every operator and function that this compiler knows."""
