"""Compile a typed expression to polars: the reference for whole tables.

Columns are expected as Foretell stores them: Int64, Float64, String, Boolean, Date,
Time, Datetime in microseconds (with or without a zone), Duration, Decimal. No
operation here can raise, because polars computes every branch of a CASE for every row.

A value is never written twice into an expression: polars copies what is used twice,
so nested duplicates would grow without bound.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import polars.selectors as cs

from foretell.core.columns import ColumnType
from foretell.expressions.patterns import (
    TO_FLOAT,
    TO_INTEGER,
    WHITE_SPACE,
    like_to_rust,
)
from foretell.expressions.typed import (
    Operation,
    OwnCall,
    TypedCase,
    TypedColumn,
    TypedLiteral,
    TypedNode,
    column_names,
)

_DTYPES: Mapping[ColumnType, pl.DataType] = {
    ColumnType.BOOLEAN: pl.Boolean(),
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.DECIMAL: pl.Decimal(38, 0),
    ColumnType.FLOAT: pl.Float64(),
    ColumnType.TEXT: pl.String(),
    ColumnType.DATE: pl.Date(),
    ColumnType.TIME: pl.Time(),
    ColumnType.TIMESTAMP: pl.Datetime("us"),
    ColumnType.DURATION: pl.Duration("us"),
}


def dtype_of(type: ColumnType) -> pl.DataType:
    """What polars holds the values of a type in."""
    return _DTYPES[type]


_LONGEST_TEXT = 2**31


def to_polars(typed: TypedNode) -> pl.Expr:
    """Give the polars expression; an expression without columns has one row."""
    return _Compiler().compile(typed)


class _Compiler:
    def __init__(self) -> None:
        self._known: dict[int, pl.Expr] = {}

    def compile(self, node: TypedNode) -> pl.Expr:
        if id(node) not in self._known:
            self._known[id(node)] = self._build(node)
        return self._known[id(node)]

    def _build(self, node: TypedNode) -> pl.Expr:
        match node:
            case TypedLiteral():
                return _literal(node)
            case TypedColumn():
                return _column(node)
            case TypedCase():
                return self._case(node)
            case OwnCall():
                return self._own(node)
            case Operation(operator="in"):
                return self._in(node)
            case Operation(operator="like"):
                return self._like(node)
            case Operation(operator="divide"):
                return self._divide(node)
            case Operation(operator="round"):
                return self._round(node)
            case Operation(operator="replace"):
                return self._replace(node)
            case Operation(operator="lpad" | "rpad" | "split_part"):
                return self._with_literals(node)
        arguments = [self.compile(argument) for argument in node.arguments]
        if node.operator in _BY_TYPE:
            return _BY_TYPE[node.operator](node.type, *arguments)
        return _PLAIN[node.operator](*arguments)

    def _case(self, node: TypedCase) -> pl.Expr:
        result = self.compile(node.otherwise)
        for condition, value in reversed(node.branches):
            result = (
                pl.when(self.compile(condition))
                .then(self.compile(value))
                .otherwise(result)
            )
        return result

    def _own(self, node: OwnCall) -> pl.Expr:
        """Call a function for each row. The arguments go as one struct, so that
        constants become as long as the columns."""
        dtype = _DTYPES[node.type]

        def values(rows: pl.Series) -> pl.Series:
            found = [
                None if None in row.values() else node.function(*row.values())
                for row in rows.to_list()
            ]
            return pl.Series(found, dtype=dtype)

        arguments = [
            self.compile(argument).alias(str(index))
            for index, argument in enumerate(node.arguments)
        ]
        return pl.struct(arguments).map_batches(
            values, return_dtype=dtype, is_elementwise=True
        )

    def _in(self, node: Operation) -> pl.Expr:
        operand, *items = node.arguments
        values = [_literal_value(item) for item in items]
        known = [value for value in values if value is not None]
        found = self.compile(operand).is_in(known)
        if None in values:
            return found | pl.lit(None, dtype=pl.Boolean)
        return found

    def _like(self, node: Operation) -> pl.Expr:
        text, pattern, escape = node.arguments
        regex = like_to_rust(_literal_value(pattern), _literal_value(escape))
        return self.compile(text).str.contains(regex)

    def _divide(self, node: Operation) -> pl.Expr:
        left, right = node.arguments
        divisor = self.compile(right)
        # polars divides a column by a scalar through the reciprocal of the scalar,
        # which gives 7/3 = 2.333333333333333 (the last digit is wrong). A scalar
        # becomes a full column by adding a zero made from the columns on the left:
        # a cast of `is_null` is full wherever the column is (measured with 2.1.0).
        for name in column_names(left):
            divisor = divisor + _named(name).is_null().cast(pl.Float64) * 0.0
        return self.compile(left) / divisor.replace(0.0, None)

    def _round(self, node: Operation) -> pl.Expr:
        value, *digits = node.arguments
        if node.type is ColumnType.INTEGER:
            return self.compile(value)
        count = _literal_value(digits[0]) if digits else 0
        return self.compile(value).round(count, mode="half_away_from_zero")

    def _replace(self, node: Operation) -> pl.Expr:
        text, old, new = node.arguments
        part = _literal_value(old)
        if not part:
            return self.compile(text)
        return self.compile(text).str.replace_all(
            part, _literal_value(new), literal=True
        )

    def _with_literals(self, node: Operation) -> pl.Expr:
        text = self.compile(node.arguments[0])
        first, second = (_literal_value(argument) for argument in node.arguments[1:])
        match node.operator:
            case "lpad":
                return text.str.pad_start(first, second)
            case "rpad":
                return text.str.pad_end(first, second)
        return text.str.split(first).list.get(second - 1, null_on_oob=True)


def _literal(node: TypedLiteral) -> pl.Expr:
    if isinstance(node.value, Decimal):
        return pl.lit(node.value)
    return pl.lit(node.value, dtype=_DTYPES[node.type])


def _column(node: TypedColumn) -> pl.Expr:
    if node.type is ColumnType.TIMESTAMP:
        return _named(node.name).cast(_DTYPES[node.type])  # to UTC, without a zone
    return _named(node.name)


def _named(name: str) -> pl.Expr:
    """The column of this very name; `pl.col` takes `*` and `^a$` for patterns."""
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return cs.by_name(name).as_expr()
    return pl.col(name)


def _literal_value(node: TypedNode) -> Any:
    """Give the value of an argument that the checker demands to be a literal."""
    if not isinstance(node, TypedLiteral):
        raise TypeError("the checker lets only literals through here")
    return node.value


def _wide(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Int128)


def _narrow(value: pl.Expr) -> pl.Expr:
    """Bring an exact result back to 64 bits; null where it does not fit."""
    return value.cast(pl.Int64, strict=False)


def _add(type: ColumnType, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    if type is ColumnType.FLOAT:
        return left + right
    return _narrow(_wide(left) + _wide(right))


def _subtract(type: ColumnType, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    if type is ColumnType.FLOAT:
        return left - right
    return _narrow(_wide(left) - _wide(right))


def _multiply(type: ColumnType, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    if type is ColumnType.FLOAT:
        return left * right
    return _narrow(_wide(left) * _wide(right))


def _negate(type: ColumnType, value: pl.Expr) -> pl.Expr:
    if type is ColumnType.FLOAT:
        return -value
    return _narrow(pl.lit(0, dtype=pl.Int128) - _wide(value))


def _abs(type: ColumnType, value: pl.Expr) -> pl.Expr:
    return value.abs() if type is ColumnType.FLOAT else _narrow(_wide(value).abs())


def _convert(type: ColumnType, value: pl.Expr) -> pl.Expr:
    return value.cast(_DTYPES[type])


def _floor(type: ColumnType, value: pl.Expr) -> pl.Expr:
    return value.floor() if type is ColumnType.FLOAT else value


def _ceil(type: ColumnType, value: pl.Expr) -> pl.Expr:
    return value.ceil() if type is ColumnType.FLOAT else value


def _substr(text: pl.Expr, start: pl.Expr, length: pl.Expr | None = None) -> pl.Expr:
    offset = start.clip(1, _LONGEST_TEXT) - 1
    if length is None:
        return text.str.slice(offset)
    return text.str.slice(offset, length.clip(0, _LONGEST_TEXT))


def _concat(*texts: pl.Expr) -> pl.Expr:
    return pl.concat_str(texts, ignore_nulls=True)


def _right(text: pl.Expr, count: pl.Expr) -> pl.Expr:
    return text.str.tail(count.clip(0, _LONGEST_TEXT))


def _to_integer(text: pl.Expr) -> pl.Expr:
    number = text.str.strip_chars(WHITE_SPACE).str.extract(TO_INTEGER)
    return number.cast(pl.Int64, strict=False)


def _to_float(text: pl.Expr) -> pl.Expr:
    number = text.str.strip_chars(WHITE_SPACE).str.extract(TO_FLOAT)
    # What is too large becomes infinite, and has no value.
    return number.cast(pl.Float64, strict=False).replace(
        [float("inf"), float("-inf")], None
    )


_BY_TYPE: Mapping[str, Callable[..., pl.Expr]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "negate": _negate,
    "convert": _convert,
    "abs": _abs,
    "floor": _floor,
    "ceil": _ceil,
}
"""Called with the type of the result and the arguments."""

_PLAIN: Mapping[str, Callable[..., pl.Expr]] = {
    "and": lambda left, right: left & right,
    "or": lambda left, right: left | right,
    "not": lambda value: ~value,
    "is_null": lambda value: value.is_null(),
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "modulo": lambda left, right: left % right,
    "join": lambda left, right: left + right,
    "lower": lambda text: text.str.to_lowercase(),
    "upper": lambda text: text.str.to_uppercase(),
    "trim": lambda text: text.str.strip_chars(WHITE_SPACE),
    "length": lambda text: text.str.len_chars().cast(pl.Int64),
    "substr": _substr,
    "concat": _concat,
    "contains": lambda text, part: text.str.contains(part, literal=True),
    "starts_with": lambda text, part: text.str.starts_with(part),
    "ends_with": lambda text, part: text.str.ends_with(part),
    "coalesce": lambda *values: pl.coalesce(values),
    "year": lambda day: day.dt.year().cast(pl.Int64),
    "month": lambda day: day.dt.month().cast(pl.Int64),
    "day": lambda day: day.dt.day().cast(pl.Int64),
    "ltrim": lambda text: text.str.strip_chars_start(WHITE_SPACE),
    "rtrim": lambda text: text.str.strip_chars_end(WHITE_SPACE),
    "right": _right,
    "to_integer": _to_integer,
    "to_float": _to_float,
    "sqrt": lambda number: number.sqrt(),
    "exp": lambda number: number.exp(),
    "ln": lambda number: number.log(),
    "hour": lambda moment: moment.dt.hour().cast(pl.Int64),
    "minute": lambda moment: moment.dt.minute().cast(pl.Int64),
    "second": lambda moment: moment.dt.second().cast(pl.Int64),
    "day_of_week": lambda day: day.dt.weekday().cast(pl.Int64),
    "quarter": lambda day: day.dt.quarter().cast(pl.Int64),
    "day_of_year": lambda day: day.dt.ordinal_day().cast(pl.Int64),
    "to_date": lambda moment: moment.cast(pl.Date),
    "days_between": lambda first, last: (last - first).dt.total_days(),
}
"""Called with the arguments."""

_WITH_LITERALS = (
    "in",
    "like",
    "divide",
    "round",
    "replace",
    "lpad",
    "rpad",
    "split_part",
)

OPERATIONS = frozenset({*_BY_TYPE, *_PLAIN, *_WITH_LITERALS})
"""Every operator and function that this compiler knows."""
