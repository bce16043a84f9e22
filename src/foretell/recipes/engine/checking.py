"""Checks on batches of rows."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from foretell.core.columns import ColumnType
from foretell.expressions.polars_compiler import to_polars
from foretell.recipes import checks
from foretell.recipes.engine.casts import naive
from foretell.recipes.engine.cells import demand_pattern
from foretell.recipes.engine.operations import column
from foretell.recipes.engine.rows import Others, distinct_rows
from foretell.recipes.engine.tables import Table
from foretell.recipes.planning import Columns


class Rule:
    """Tells which rows break a check.

    Attributes:
        reason: What a reject says.
        column: The column that it is about, where the check has several.
        needs_table: Whether it looks at all rows before it takes the first.
    """

    needs_table = False

    def __init__(self, reason: str, column: str | None = None) -> None:
        self.reason = reason
        self.column = column

    def prepare(self, table: Table) -> None:
        """Look at all rows."""

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        """A mask of the rows that break it, without null."""
        raise NotImplementedError


class _Condition(Rule):
    def __init__(
        self, reason: str, is_broken: pl.Expr, column: str | None = None
    ) -> None:
        super().__init__(reason, column)
        self._is_broken = is_broken.fill_null(False)

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        found = frame.select(self._is_broken.alias("broken")).to_series()
        # An expression without columns has one row.
        return (
            found
            if len(found) == frame.height
            else found.new_from_index(0, frame.height)
        )


def not_null(check: checks.NotNull, _columns: Columns, _others: Others) -> list[Rule]:
    return [
        _Condition("has no value", column(name).is_null(), name)
        for name in checks.names_of(check)
    ]


class _Unique(Rule):
    needs_table = True

    def __init__(self, names: list[str]) -> None:
        super().__init__("stands in an earlier row")
        self._names = names
        self._first: Any = np.zeros(0, bool)
        self._done = 0

    def prepare(self, table: Table) -> None:
        self._first = distinct_rows(table, keys=self._names, keep="first")

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        first = self._first[self._done : self._done + frame.height]
        self._done += frame.height
        known = frame.select(
            pl.all_horizontal(column(name).is_not_null() for name in self._names)
        ).to_series()
        return known & pl.Series(~first)


def unique(check: checks.Unique, _columns: Columns, _others: Others) -> Rule:
    return _Unique(checks.names_of(check))


def value_range(check: checks.Range, columns: Columns, _others: Others) -> Rule:
    type = columns[check.column]
    value = column(check.column)
    if type is ColumnType.TIMESTAMP:
        value = naive(value)
    tests, words = [], []
    if check.min is not None:
        tests.append(value < pl.lit(check.bound(type, "min")))
        words.append(f"not below {check.min}")
    if check.max is not None:
        tests.append(value > pl.lit(check.bound(type, "max")))
        words.append(f"not above {check.max}")
    if type is ColumnType.FLOAT:
        tests.append(value.is_nan())
    return _Condition(f"must be {' and '.join(words)}", pl.any_horizontal(tests))


def in_set(check: checks.InSet, columns: Columns, _others: Others) -> Rule:
    type = columns[check.column]
    value = column(check.column)
    if type is ColumnType.TIMESTAMP:
        value = naive(value)
    if type is ColumnType.DECIMAL:
        value = value.cast(pl.Decimal(38, 18))
    known = pl.Series(check.constants(type))
    return _Condition("is not one of the values", ~value.is_in(known.implode()))


def matches(check: checks.Matches, _columns: Columns, _others: Others) -> Rule:
    demand_pattern(check.pattern, "/pattern")
    whole = rf"\A(?:{check.pattern})\z"
    return _Condition(
        "does not match the pattern", ~column(check.column).str.contains(whole)
    )


def holds(check: checks.Holds, columns: Columns, _others: Others) -> Rule:
    typed = columns.condition(check.expression, "/expression")
    return _Condition(f"is false: {check.expression[:200]}", ~to_polars(typed))


class _References(Rule):
    def __init__(self, check: checks.References, other: Table) -> None:
        super().__init__(f"is not in {check.dataset!r}")
        self._name = check.column
        key = column(check.target).alias("key")
        self._known = other.scan().select(key).unique().collect(engine="streaming")

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        value = frame[self._name]
        found = (
            pl.DataFrame({"key": value})
            .with_row_index("n")
            .join(self._known, on="key", how="semi")["n"]
        )
        is_known = np.zeros(frame.height, bool)
        is_known[found.to_numpy()] = True
        return value.is_not_null() & pl.Series(~is_known)


def references(check: checks.References, columns: Columns, others: Others) -> Rule:
    return _References(check, others[columns.here])


def rules_of(check: checks.Check, columns: Columns, others: Others) -> list[Rule]:
    """The rules that a check is made of, of which a row may break several."""
    if isinstance(check, checks.NotNull):
        return not_null(check, columns, others)
    return [_RULES[type(check)](check, columns, others)]


_RULES: Mapping[type[Any], Callable[[Any, Columns, Others], Rule]] = {
    checks.Unique: unique,
    checks.Range: value_range,
    checks.InSet: in_set,
    checks.Matches: matches,
    checks.Holds: holds,
    checks.References: references,
}
