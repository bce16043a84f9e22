"""What a caller may ask of groups: `by`, `measures`, `sort`, turned into a grouping.

`by=country,year(joined)` and `measures=count,mean(price),quantile(price, 0.9)`: each item
is a column, or an expression, and names its member of the answer as it was written.
"""

from collections.abc import Mapping, Sequence

from foretell.core.columns import Column, ColumnType
from foretell.datasets.errors import ColumnUnknown, ParameterInvalid
from foretell.datasets.ports import Grouping, GroupKey, Measure, SortKey
from foretell.expressions.check import check, parse_condition
from foretell.expressions.own import OwnFunctions
from foretell.expressions.parser import parse
from foretell.expressions.typed import TypedColumn, TypedNode

MAX_ITEMS = 20
_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DECIMAL})
_TIMES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME})
_NESTED = frozenset({ColumnType.LIST, ColumnType.STRUCT, ColumnType.BINARY})
_ANY = frozenset(ColumnType)
_ORDERED = _ANY - _NESTED
MEASURES: Mapping[str, frozenset[ColumnType]] = {
    "count": _ANY,
    "distinct": _ORDERED,
    "min": _ORDERED,
    "max": _ORDERED,
    "sum": _NUMBERS,
    "mean": _NUMBERS,
    "median": _NUMBERS,
    "std": _NUMBERS,
    "var": _NUMBERS,
    "quantile": _NUMBERS,
}
"""The measures and the types they take."""


def grouping(
    columns: Sequence[Column],
    functions: OwnFunctions,
    *,
    by: str | None,
    measures: str,
    where: str | None,
    sort: str | None,
) -> Grouping:
    """Check every part of an aggregate against the columns of a version.

    Raises:
        ParameterInvalid, ColumnUnknown, ExpressionError: It names the part.
    """
    reader = _Reader({column.name: column.type for column in columns}, functions)
    keys = [reader.key(item) for item in _items("by", by)] if by else []
    wanted = [reader.measure(item) for item in _items("measures", measures)]
    labels = [key.label for key in keys] + [measure.label for measure in wanted]
    if len(set(labels)) != len(labels):
        raise ParameterInvalid("measures", "names the same thing twice")
    return Grouping(
        keys=keys,
        measures=wanted,
        where=parse_condition(where, reader.types, functions) if where else None,
        sort=_sort_keys(sort, labels),
    )


class _Reader:
    def __init__(
        self, types: Mapping[str, ColumnType], functions: OwnFunctions
    ) -> None:
        self.types = types
        self._functions = functions

    def key(self, item: str) -> GroupKey:
        value = self._value("by", item)
        if value.type in _NESTED:
            raise ParameterInvalid("by", f"cannot group by values of type {value.type}")
        label = value.name if isinstance(value, TypedColumn) else item
        return GroupKey(label, value)

    def measure(self, item: str) -> Measure:
        name, bracket, rest = item.partition("(")
        name = name.strip().lower()
        if name not in MEASURES or (bracket and not rest.endswith(")")):
            known = ", ".join(MEASURES)
            raise ParameterInvalid("measures", f"takes NAME(COLUMN); names are {known}")
        if not bracket:
            if name != "count":
                raise ParameterInvalid("measures", f"{name} needs a column: {name}(x)")
            return Measure(item, name)
        argument, share = rest[:-1].strip(), None
        if name == "quantile":
            argument, share = _with_share(argument)
        if argument in ("", "*") and name == "count":
            return Measure(item, name)
        value = self._value("measures", argument)
        if value.type not in MEASURES[name]:
            raise ParameterInvalid(
                "measures", f"{name} cannot be taken of values of type {value.type}"
            )
        return Measure(item, name, value, share)

    def _value(self, parameter: str, text: str) -> TypedNode:
        for name in (text, _unquoted(text)):
            if name is not None and name in self.types:
                return TypedColumn(self.types[name], name)
        if text.isidentifier():
            raise ColumnUnknown(parameter, text, list(self.types))
        return check(parse(text), self.types, self._functions)


def _unquoted(text: str) -> str | None:
    is_quoted = len(text) > 2 and text[0] == text[-1] == '"'
    return text[1:-1].replace('""', '"') if is_quoted else None


def _with_share(argument: str) -> tuple[str, float]:
    value, comma, share = argument.rpartition(",")
    try:
        number = float(share)
    except ValueError:
        number = -1.0
    if not comma or not 0 <= number <= 1:
        raise ParameterInvalid("measures", "quantile takes a share: quantile(x, 0.9)")
    return value.strip(), number


def _items(parameter: str, text: str) -> list[str]:
    """Split at commas outside of quotes and brackets."""
    items, start, depth, quote = [], 0, 0, ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and not depth:
            items.append(text[start:place].strip())
            start = place + 1
    items.append(text[start:].strip())
    if "" in items:
        raise ParameterInvalid(parameter, "holds an empty item")
    if len(items) > MAX_ITEMS:
        raise ParameterInvalid(parameter, f"takes at most {MAX_ITEMS} items")
    return items


def _sort_keys(text: str | None, labels: Sequence[str]) -> list[SortKey]:
    """Keys of `sort=-count,country`: members of the answer, `-` for downwards."""
    keys = []
    for item in _items("sort", text) if text else ():
        is_down = item.startswith("-")
        name = item[1:] if is_down else item
        found = name if name in labels else _unquoted(name)
        if found is None or found not in labels:
            raise ColumnUnknown("sort", name, list(labels))
        keys.append(SortKey(found, is_down))
    if len({key.column for key in keys}) != len(keys):
        raise ParameterInvalid("sort", "names a member twice")
    return keys
