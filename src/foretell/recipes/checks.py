"""Checks of a recipe: what the rows must be, and what becomes of those that are not."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from foretell.core.columns import ColumnType
from foretell.recipes.constants import find_constant
from foretell.recipes.planning import ORDERED, PLAIN, TEXT, Columns, fault, read_syntax
from foretell.recipes.step_base import (
    MAX_VALUES,
    ColumnName,
    ColumnNames,
    DatasetName,
    DatasetNumber,
    Expression,
    Part,
    StorableText,
    Value,
)

Severity = Literal["reject", "warn", "fail"]


class Check(Part):
    """One rule. A null breaks `not_null` alone, as in SQL."""

    severity: Severity = Field(
        "reject", description="The row goes to the rejects, is told of, or no version."
    )

    def plan(self, columns: Columns) -> None:
        """Raises `StepFault` where it does not fit the columns."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """Its name: `range`."""
        return str(getattr(self, "check", ""))

    @property
    def named(self) -> str | None:
        """The column that a reject names."""
        column: str | None = getattr(self, "column", None)
        columns: list[str] | None = getattr(self, "columns", None)
        return columns[0] if columns else column


class NotNull(Check):
    """Each column holds a value."""

    check: Literal["not_null"]
    column: ColumnName | None = None
    columns: ColumnNames | None = None

    @model_validator(mode="after")
    def _names_columns(self) -> Self:
        _demand_one(self.column, self.columns)
        return self

    def plan(self, columns: Columns) -> None:
        _demand(self, columns)


class Unique(Check):
    """No two rows have the same values; the first one is kept."""

    check: Literal["unique"]
    column: ColumnName | None = None
    columns: ColumnNames | None = None

    @model_validator(mode="after")
    def _names_columns(self) -> Self:
        _demand_one(self.column, self.columns)
        return self

    def plan(self, columns: Columns) -> None:
        _demand(self, columns)


class Range(Check):
    """A value is not below `min` and not above `max`; NaN is in no range."""

    check: Literal["range"]
    column: ColumnName
    min: Value = None
    max: Value = None

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("takes min, max or both")
        return self

    def plan(self, columns: Columns) -> None:
        types = ORDERED - {ColumnType.BOOLEAN, ColumnType.DURATION}
        columns.demand([("/column", self.column)], types, what="range")
        for name in ("min", "max"):
            bound = getattr(self, name)
            if bound is not None:
                self.bound(columns[self.column], name)

    def bound(self, type: ColumnType, name: str) -> Any:
        """A bound as a value of the column; whole columns take fractions too."""
        value = getattr(self, name)
        if type is ColumnType.INTEGER and isinstance(value, float):
            return value
        found = find_constant(value, type)
        if found is None:
            message = f"{self.column!r} is {type}; this is no value of it."
            raise fault(f"/{name}", message, "value_type")
        return found


class InSet(Check):
    """A value is one of those listed."""

    check: Literal["in_set"]
    column: ColumnName
    values: Annotated[
        list[bool | int | float | StorableText],
        Field(min_length=1, max_length=MAX_VALUES),
    ]

    def plan(self, columns: Columns) -> None:
        columns.demand([("/column", self.column)], PLAIN, what="in_set")
        self.constants(columns[self.column])

    def constants(self, type: ColumnType) -> list[Any]:
        """The values as values of the column."""
        found = [find_constant(value, type) for value in self.values]
        if None in found:
            pointer = f"/values/{found.index(None)}"
            message = f"{self.column!r} is {type}; this is no value of it."
            raise fault(pointer, message, "value_type")
        return found


class Matches(Check):
    """The whole text matches a regular expression."""

    check: Literal["matches"]
    column: ColumnName
    pattern: StorableText = Field(min_length=1, description="RE2 syntax.")

    def plan(self, columns: Columns) -> None:
        columns.demand([("/column", self.column)], TEXT, what="matches")


class Holds(Check):
    """A condition is not false."""

    check: Literal["expression"]
    expression: Expression

    def check_syntax(self) -> None:
        read_syntax(self.expression, "/expression")

    def plan(self, columns: Columns) -> None:
        columns.condition(self.expression, "/expression")


class References(Check):
    """A value stands in a column of another dataset."""

    check: Literal["references"]
    column: ColumnName
    dataset: DatasetName
    to: ColumnName | None = Field(None, description="Its column; the same without.")
    version: DatasetNumber | None = Field(None, description="The current one without.")

    def names_dataset(self) -> tuple[str, int | None]:
        return self.dataset, self.version

    @property
    def target(self) -> str:
        return self.to or self.column

    def plan(self, columns: Columns) -> None:
        columns.demand([("/column", self.column)], PLAIN, what="references")
        theirs = columns.other()
        theirs.demand([("/to", self.target)], PLAIN, what="references")
        mine, other = columns[self.column], theirs[self.target]
        if mine is not other:
            message = f"{self.column!r} is {mine}, {self.target!r} is {other}."
            raise fault("/to", message, "column_type")


def names_of(check: NotNull | Unique) -> list[str]:
    """The columns that it is about."""
    return check.columns or [check.column or ""]


def _demand_one(column: object, columns: object) -> None:
    if (column is None) == (columns is None):
        raise ValueError("takes exactly one of column and columns")


def _demand(check: NotNull | Unique, columns: Columns) -> None:
    types = PLAIN if isinstance(check, Unique) else None
    if check.columns is not None:
        columns.demand_listed(check.columns, types, what=check.check)
    else:
        columns.demand([("/column", check.column or "")], types, what=check.check)


CHECKS: tuple[type[Check], ...] = (
    NotNull,
    Unique,
    Range,
    InSet,
    Matches,
    Holds,
    References,
)
