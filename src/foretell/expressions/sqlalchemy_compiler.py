"""Compile a typed condition to SQL, for rows that a database holds.

Only a named subset of the language: what SQLite, PostgreSQL and MySQL compute exactly
as the row compiler does (a property test compares the four). The traps that decide
what it looks like:

- SQLite's LIKE ignores the case of ASCII letters, so it gets GLOB.
- MySQL pads texts with blanks before it compares them, PostgreSQL may sort them by
  locale; both get a comparison by code point.
- SQLite turns an integer that overflows into a float, the others raise; the language
  says null, so sums and products are guarded.
- A decimal is a scaled integer on SQLite, so a number beside one is brought to the
  scale of the column before the database sees it.

Literals are bind parameters, always.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    Integer,
    Numeric,
    String,
    Text,
    Time,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    literal_column,
    not_,
    or_,
    type_coerce,
)
from sqlalchemy import Enum as EnumType
from sqlalchemy import Uuid as UuidType
from sqlalchemy.sql import ColumnElement

from foretell.core.columns import ColumnType
from foretell.core.db import UtcDateTime
from foretell.expressions.errors import NotInSql
from foretell.expressions.patterns import Piece, split_like
from foretell.expressions.sql_texts import MYSQL, by_code_point, matches, same_text
from foretell.expressions.typed import (
    Operation,
    OwnCall,
    TypedCase,
    TypedColumn,
    TypedLiteral,
    TypedNode,
    is_null_literal,
)

Element = ColumnElement[Any]

SUBSET = (
    "comparisons, AND, OR, NOT, IS NULL, IN, BETWEEN, LIKE, CASE; + and - on integers, "
    "* / % by a written integer; ||, concat, length, substr, replace, contains, "
    "starts_with, ends_with, abs, coalesce, nullif, year, month, day"
)
"""What a condition may hold, as messages tell it."""

_MIN, _MAX = -(2**63), 2**63 - 1
_LONGEST = 10**9


def to_sql(
    typed: TypedNode, columns: Mapping[str, Element], dialect: str
) -> ColumnElement[bool]:
    """Give the condition for a WHERE.

    Args:
        columns: The column that each name stands for. Moments are `UtcDateTime`,
            decimals `Numeric` of a fixed scale.
        dialect: `sqlite`, `postgresql`, `mysql` or `mariadb`.

    Raises:
        NotInSql: It holds something outside of the subset.
    """
    return _Compiler(columns, dialect).visit(typed)


class _Compiler:
    def __init__(self, columns: Mapping[str, Element], dialect: str) -> None:
        self._columns = columns
        self._dialect = dialect

    def visit(self, node: TypedNode) -> Element:
        match node:
            case TypedLiteral():
                return self._literal(node)
            case TypedColumn():
                return self._column(node)
            case TypedCase():
                return self._case(node)
            case OwnCall():
                raise _refused(node.name)
        form = _FORMS.get(node.operator)
        if form is None:
            raise _refused(node.operator)
        return form(self, node)

    # --- leaves -----------------------------------------------------------------

    def _literal(self, node: TypedLiteral) -> Element:
        value: Any = node.value
        if node.type is ColumnType.TIMESTAMP and isinstance(value, datetime):
            value = value.replace(tzinfo=UTC)
        if node.type not in _SQL_TYPES:
            raise _refused(f"a value of type {node.type}")
        return literal(value, _SQL_TYPES[node.type])

    def _column(self, node: TypedColumn) -> Element:
        column = self._columns[node.name]
        if isinstance(column.type, UuidType):
            return self._uuid_text(column)
        if isinstance(column.type, EnumType):
            return type_coerce(column, String)
        return column

    def _uuid_text(self, column: Element) -> Element:
        if self._dialect == "postgresql":
            return cast(column, Text)
        digits = type_coerce(column, String)
        text: Element = func.substr(digits, 1, 8, type_=String)
        for start, length in ((9, 4), (13, 4), (17, 4), (21, 12)):
            text = text + "-" + func.substr(digits, start, length, type_=String)
        return text

    def _case(self, node: TypedCase) -> Element:
        if node.type is ColumnType.DECIMAL:
            raise _refused("a choice between decimals")
        return case(
            *(
                (self.visit(condition), self.visit(value))
                for condition, value in node.branches
            ),
            else_=self.visit(node.otherwise),
        )

    # --- conditions -------------------------------------------------------------

    def both(self, node: Operation) -> Element:
        return and_(*(self.visit(a) for a in node.arguments))

    def either(self, node: Operation) -> Element:
        return or_(*(self.visit(a) for a in node.arguments))

    def negation(self, node: Operation) -> Element:
        return not_(self.visit(node.arguments[0]))

    def is_null(self, node: Operation) -> Element:
        return self.visit(node.arguments[0]).is_(None)

    def compare(self, node: Operation) -> Element:
        left, right = node.arguments
        if is_null_literal(left) or is_null_literal(right):
            return literal(None, Boolean)
        exact = _exact_pair(node)
        if exact is not None:
            return self._compare_exactly(*exact)
        if ColumnType.DECIMAL in (left.type, right.type):
            self._demand_same_scale(left, right)
        return self._compared(node.operator, self.visit(left), self.visit(right), left)

    def _compared(
        self, operator: str, left: Element, right: Element, node: TypedNode
    ) -> Element:
        if node.type is not ColumnType.TEXT:
            return _COMPARE[operator](left, right)
        if operator == "eq":
            return same_text(left, right, self._dialect)
        if operator == "ne":
            return not_(same_text(left, right, self._dialect))
        left, right = (by_code_point(e, self._dialect) for e in (left, right))
        return _COMPARE[operator](left, right)

    def _compare_exactly(
        self, operator: str, node: TypedNode, number: Decimal
    ) -> Element:
        """Compare an integer or a decimal with a number of any digits."""
        column = self.visit(node)
        scale = 0 if node.type is ColumnType.INTEGER else _scale(column)
        below = number.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_FLOOR)
        if below != number:
            # Nothing is equal; what is below the number is at most the next one down.
            if operator in ("eq", "ne"):
                return _never_null(column, operator == "ne")
            operator = {"lt": "le", "le": "le", "gt": "gt", "ge": "gt"}[operator]
        lowest, highest = _bounds(column, scale)
        if not lowest <= below <= highest:
            is_above = below > highest
            truth = {"lt": is_above, "le": is_above, "eq": False, "ne": True}
            return _never_null(column, truth.get(operator, not is_above))
        type_ = BigInteger() if node.type is ColumnType.INTEGER else column.type
        value: Any = int(below) if node.type is ColumnType.INTEGER else below
        return _COMPARE[operator](column, literal(value, type_))

    def _demand_same_scale(self, left: TypedNode, right: TypedNode) -> None:
        scales = {
            _scale(self._columns[side.name])
            for side in (left, right)
            if isinstance(side, TypedColumn) and side.type is ColumnType.DECIMAL
        }
        columns = all(isinstance(side, TypedColumn) for side in (left, right))
        if not columns or len(scales) != 1:
            raise _refused("a computed decimal in a comparison")

    def member(self, node: Operation) -> Element:
        operand = self.visit(node.arguments[0])
        items = [self.visit(item) for item in node.arguments[1:]]
        if node.arguments[0].type is ColumnType.TEXT:
            return or_(*(same_text(operand, item, self._dialect) for item in items))
        return operand.in_(items)

    def like(self, node: Operation) -> Element:
        _, pattern, escape = node.arguments
        assert isinstance(pattern, TypedLiteral)  # noqa: S101 - the checker's promise
        assert isinstance(escape, TypedLiteral)  # noqa: S101
        pieces = split_like(str(pattern.value), _text_or_none(escape.value))
        return matches(self.visit(node.arguments[0]), pieces, self._dialect)

    def part(self, node: Operation) -> Element:
        """`contains`, `starts_with`, `ends_with` with a written part."""
        text, part = node.arguments
        if not isinstance(part, TypedLiteral):
            raise _refused(f"{node.operator} with a computed part")
        if part.value is None:
            return literal(None, Boolean)
        inner: Piece = list(str(part.value))
        pieces = {
            "contains": [[], inner, []],
            "starts_with": [inner, []],
            "ends_with": [[], inner],
        }[node.operator]
        return matches(self.visit(text), pieces, self._dialect)

    # --- numbers ----------------------------------------------------------------

    def add(self, node: Operation) -> Element:
        left, right = self._integers(node)
        if isinstance(node.arguments[0], TypedLiteral):
            left, right = right, left
            return self._sum(left, right, node.arguments[0], sign=1)
        return self._sum(left, right, node.arguments[1], sign=1)

    def subtract(self, node: Operation) -> Element:
        left, right = self._integers(node)
        return self._sum(left, right, node.arguments[1], sign=-1)

    def _sum(
        self, left: Element, right: Element, operand: TypedNode, *, sign: int
    ) -> Element:
        """`left ± right`, null where that is no 64-bit integer."""
        result = left + right if sign > 0 else left - right
        if isinstance(operand, TypedLiteral):
            if operand.value is None:
                return literal(None, BigInteger)
            step = sign * int(operand.value)  # type: ignore[arg-type]
            fits = left <= _MAX - step if step >= 0 else left >= _MIN - step
            if not _MIN <= (_MAX - step if step >= 0 else _MIN - step) <= _MAX:
                return literal(None, BigInteger)
            return case((fits, left + literal(step, BigInteger)), else_=None)
        up, down = (right >= 0, right < 0) if sign > 0 else (right <= 0, right > 0)
        high = _MAX - right if sign > 0 else right + _MAX
        low = _MIN - right if sign > 0 else right + _MIN
        fits = or_(and_(up, left <= high), and_(down, left >= low))
        return case((fits, result), else_=None)

    def multiply(self, node: Operation) -> Element:
        self._integers(node)
        factor, other = _factor(node)
        value = self.visit(other)
        if factor == 0:
            return case((value.is_not(None), literal(0, BigInteger)), else_=None)
        ends = (_quotient(_MIN, factor), _quotient(_MAX, factor))
        low, high = max(min(ends), _MIN), min(max(ends), _MAX)
        product = value * literal(factor, BigInteger)
        return case((value.between(low, high), product), else_=None)

    def divide(self, node: Operation) -> Element:
        dividend, divisor = node.arguments
        if not _is_integer(dividend) or not isinstance(divisor, TypedLiteral):
            raise _refused("/ but of an integer by a written integer")
        number = divisor.value
        if number is None or number == 0:
            return literal(None, Double)
        if not isinstance(number, float) or not number.is_integer():
            raise _refused("/ but of an integer by a written integer")
        return self.visit(dividend) / literal(number, Double)

    def modulo(self, node: Operation) -> Element:
        value, divisor = self._integers(node)
        number = node.arguments[1]
        if not isinstance(number, TypedLiteral):
            raise _refused("% by a computed number")
        if number.value is None or number.value == 0:
            return literal(None, BigInteger)
        if number.value == -1:
            return case((value.is_not(None), literal(0, BigInteger)), else_=None)
        # SQL gives the remainder the sign of the dividend, the language the divisor's.
        rest = value % divisor
        is_other = rest < 0 if int(number.value) > 0 else rest > 0  # type: ignore[arg-type]
        return case((is_other, rest + divisor), else_=rest)

    def _integers(self, node: Operation) -> tuple[Element, Element]:
        if node.type is not ColumnType.INTEGER:
            raise _refused("arithmetic on numbers with decimals")
        left, right = node.arguments
        return self.visit(left), self.visit(right)

    def negate(self, node: Operation) -> Element:
        value = self.visit(node.arguments[0])
        if node.type is ColumnType.INTEGER:
            return case((value > _MIN, -value), else_=None)
        return -value

    def absolute(self, node: Operation) -> Element:
        value = self.visit(node.arguments[0])
        if node.type is ColumnType.INTEGER:
            return case((value > _MIN, func.abs(value, type_=BigInteger)), else_=None)
        return func.abs(value, type_=Double)

    def convert(self, node: Operation) -> Element:
        source = node.arguments[0]
        if source.type is ColumnType.INTEGER and node.type is ColumnType.FLOAT:
            value = self.visit(source)
            if self._dialect in MYSQL:  # CAST AS DOUBLE is younger than many servers
                return type_coerce(value + literal_column("0e0", Double), Double)
            return cast(value, Double)
        if source.type is ColumnType.DATE:
            return self._midnight(self.visit(source))
        raise _refused(f"a {source.type} beside a {node.type}")

    def _midnight(self, day: Element) -> Element:
        """The moment at which a day begins in UTC."""
        if self._dialect == "sqlite":
            text = type_coerce(day, String) + literal(" 00:00:00.000000", String)
            return type_coerce(text, UtcDateTime)
        if self._dialect == "postgresql":
            return func.timezone("UTC", cast(day, DateTime), type_=UtcDateTime)
        return func.timestamp(day, type_=UtcDateTime)

    # --- the rest ---------------------------------------------------------------

    def coalesce(self, node: Operation) -> Element:
        if node.type is ColumnType.DECIMAL:
            raise _refused("a choice between decimals")
        values = [self.visit(a) for a in node.arguments]
        if len(values) == 1:
            return values[0]
        return func.coalesce(*values, type_=values[0].type)

    def join(self, node: Operation) -> Element:
        left, right = (self.visit(a) for a in node.arguments)
        return type_coerce(left, Text) + type_coerce(right, Text)

    def concat(self, node: Operation) -> Element:
        parts = [func.coalesce(self.visit(a), "", type_=Text) for a in node.arguments]
        result: Element = parts[0]
        for part in parts[1:]:
            result = result + part
        return result

    def length(self, node: Operation) -> Element:
        text = self.visit(node.arguments[0])
        if self._dialect == "sqlite":
            return func.length(text, type_=Integer)
        return func.char_length(text, type_=Integer)

    def substr(self, node: Operation) -> Element:
        text, *numbers = node.arguments
        bounds = []
        # Databases differ in what a start before the first character, and a length
        # below none, mean.
        for number, least in zip(numbers, (1, 0), strict=False):
            if not isinstance(number, TypedLiteral) or number.value is None:
                raise _refused("substr with a computed start or length")
            wanted = max(least, min(int(number.value), _LONGEST))  # type: ignore[arg-type]
            bounds.append(literal(wanted, Integer))
        return func.substr(self.visit(text), *bounds, type_=Text)

    def replace(self, node: Operation) -> Element:
        return func.replace(*(self.visit(a) for a in node.arguments), type_=Text)

    def calendar(self, node: Operation) -> Element:
        day = self.visit(node.arguments[0])
        if (
            node.arguments[0].type is ColumnType.TIMESTAMP
            and self._dialect == "postgresql"
        ):
            day = func.timezone("UTC", day)
        found = extract(node.operator, day)
        # PostgreSQL gives a numeric; the others integers.
        return cast(found, BigInteger) if self._dialect == "postgresql" else found


_SQL_TYPES: Mapping[ColumnType, Any] = {
    ColumnType.BOOLEAN: Boolean(),
    ColumnType.INTEGER: BigInteger(),
    ColumnType.FLOAT: Double(),
    ColumnType.TEXT: Text(),
    ColumnType.DATE: Date(),
    ColumnType.TIME: Time(),
    ColumnType.TIMESTAMP: UtcDateTime(),
}

_COMPARE: Mapping[str, Callable[[Element, Element], Element]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}

_FORMS: Mapping[str, Callable[[_Compiler, Operation], Element]] = {
    "and": _Compiler.both,
    "or": _Compiler.either,
    "not": _Compiler.negation,
    "is_null": _Compiler.is_null,
    **dict.fromkeys(_COMPARE, _Compiler.compare),
    "in": _Compiler.member,
    "like": _Compiler.like,
    "contains": _Compiler.part,
    "starts_with": _Compiler.part,
    "ends_with": _Compiler.part,
    "add": _Compiler.add,
    "subtract": _Compiler.subtract,
    "multiply": _Compiler.multiply,
    "divide": _Compiler.divide,
    "modulo": _Compiler.modulo,
    "negate": _Compiler.negate,
    "abs": _Compiler.absolute,
    "convert": _Compiler.convert,
    "coalesce": _Compiler.coalesce,
    "join": _Compiler.join,
    "concat": _Compiler.concat,
    "length": _Compiler.length,
    "substr": _Compiler.substr,
    "replace": _Compiler.replace,
    "year": _Compiler.calendar,
    "month": _Compiler.calendar,
    "day": _Compiler.calendar,
}

OPERATIONS = frozenset(_FORMS)
"""Every operator and function of the subset."""

_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "modulo": "%"}


def _refused(what: str) -> NotInSql:
    return NotInSql(_SIGNS.get(what, what), SUBSET)


def _exact_pair(node: Operation) -> tuple[str, TypedNode, Decimal] | None:
    """A comparison of a decimal column, or a whole number, with a written decimal."""
    left, right = node.arguments
    for operator, value, number in (
        (node.operator, left, right),
        (_MIRRORED[node.operator], right, left),
    ):
        if number.type is not ColumnType.DECIMAL:
            continue
        if not isinstance(number, TypedLiteral) or number.value is None:
            continue
        if isinstance(value, TypedColumn):
            return operator, value, Decimal(str(number.value))
        if isinstance(value, Operation) and value.operator == "convert":
            return operator, value.arguments[0], Decimal(str(number.value))
    return None


def _scale(column: Element) -> int:
    type_: Any = column.type
    return int(type_.scale or 0)


def _bounds(column: Element, scale: int) -> tuple[Decimal, Decimal]:
    type_: Any = column.type
    if isinstance(type_, Numeric) and not isinstance(type_, Double):
        highest = Decimal(10 ** (type_.precision or 18) - 1).scaleb(-scale)
        return -highest, highest
    return Decimal(_MIN), Decimal(_MAX)


def _never_null(column: Element, truth: bool) -> Element:
    """`truth` where the column has a value, null where it has none."""
    return case((column.is_not(None), literal(truth, Boolean)), else_=None)


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def _is_integer(node: TypedNode) -> bool:
    """Whether a float is an integer that was converted."""
    return (
        isinstance(node, Operation)
        and node.operator == "convert"
        and node.arguments[0].type is ColumnType.INTEGER
    )


def _factor(node: Operation) -> tuple[int, TypedNode]:
    left, right = node.arguments
    for literal_side, other in ((left, right), (right, left)):
        if isinstance(literal_side, TypedLiteral) and isinstance(
            literal_side.value, int
        ):
            return literal_side.value, other
    raise _refused("* of two computed numbers")


def _quotient(number: int, by: int) -> int:
    """Divide towards zero."""
    size = abs(number) // abs(by)
    return size if (number < 0) == (by < 0) else -size
