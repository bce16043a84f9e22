"""Steps that change cells and leave the rows as they are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from foretell.core.columns import ColumnType
from foretell.recipes.planning import (
    NUMBERS,
    PLAIN,
    TEXT,
    Columns,
    fault,
    read_syntax,
)
from foretell.recipes.step_base import (
    MAX_VALUES,
    ColumnName,
    ColumnNames,
    Expression,
    OnError,
    Step,
    StorableText,
    Value,
)

CastType = Literal[
    "boolean", "integer", "decimal", "float", "text", "date", "time", "timestamp"
]
Format = Annotated[StorableText, Field(min_length=2, max_length=100)]
MAX_PARTS = 100
MAX_CATEGORIES = 1_000


class Rename(Step):
    """Give columns other names; the order stays."""

    step: Literal["rename"]
    columns: dict[ColumnName, ColumnName] = Field(
        min_length=1, description="New name by old name."
    )

    def plan(self, columns: Columns) -> Columns:
        columns.demand((f"/columns/{name}", name) for name in self.columns)
        types: dict[str, ColumnType] = {}
        for name, type in columns.items():
            new = self.columns.get(name, name)
            if new in types:
                message = f"Two columns would be called {new!r}."
                raise fault("/columns", message, "name_taken")
            types[new] = type
        return columns.having(types)


class Select(Step):
    """Keep columns, in the order given, or drop some."""

    step: Literal["select"]
    columns: ColumnNames | None = Field(None, description="Those to keep.")
    drop: ColumnNames | None = Field(None, description="Those to leave out.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.columns is None) == (self.drop is None):
            raise ValueError("takes exactly one of columns and drop")
        return self

    def plan(self, columns: Columns) -> Columns:
        if self.columns is not None:
            columns.demand_listed(self.columns)
            return columns.having({name: columns[name] for name in self.columns})
        dropped = self.drop or []
        columns.demand((f"/drop/{i}", name) for i, name in enumerate(dropped))
        return columns.having({n: t for n, t in columns.items() if n not in dropped})


class Cast(Step):
    """Turn columns into other types; what does not fit is rejected, null or an end."""

    step: Literal["cast"]
    columns: dict[ColumnName, CastType] = Field(
        min_length=1, description="Type by column."
    )
    scale: int = Field(2, ge=0, le=18, description="Decimal places of decimals.")
    on_error: OnError = Field("reject", description="What becomes of a misfit.")

    def plan(self, columns: Columns) -> Columns:
        wanted = [(f"/columns/{name}", name) for name in self.columns]
        columns.demand(wanted, PLAIN, what="cast")
        for name, type in self.columns.items():
            if not may_cast(columns[name], ColumnType(type)):
                message = f"{name!r} is {columns[name]} and cannot become {type}."
                raise fault(f"/columns/{name}", message, "column_type")
        return columns.adding({n: ColumnType(t) for n, t in self.columns.items()})


def may_cast(source: ColumnType, target: ColumnType) -> bool:
    """Whether there is a way from one type to the other."""
    if source is target or ColumnType.TEXT in (source, target):
        return True
    numeric = NUMBERS | {ColumnType.BOOLEAN}
    if source in numeric:
        return target in numeric
    days = (ColumnType.DATE, ColumnType.TIMESTAMP)
    if source is ColumnType.TIMESTAMP:
        return target in (*days, ColumnType.TIME)
    return source in days and target in days


class Trim(Step):
    """Take white space away at both ends of texts."""

    step: Literal["trim"]
    columns: ColumnNames
    inner: bool = Field(False, description="Make runs inside one space, too.")

    def plan(self, columns: Columns) -> Columns:
        columns.demand_listed(self.columns, TEXT, what="trim")
        return columns


class Case(Step):
    """Write texts in lower, upper or title case."""

    step: Literal["case"]
    columns: ColumnNames
    to: Literal["lower", "upper", "title"]

    def plan(self, columns: Columns) -> Columns:
        columns.demand_listed(self.columns, TEXT, what="case")
        return columns


class Replace(Step):
    """Replace a part of texts (`old`, `new`) or whole cells (`values`)."""

    step: Literal["replace"]
    columns: ColumnNames
    old: StorableText | None = None
    new: StorableText | None = Field(
        None, description="What stands there instead; `$1` is a group of a pattern."
    )
    regex: bool = Field(False, description="`old` is a regular expression (RE2).")
    values: dict[StorableText, StorableText | None] | None = Field(
        None, min_length=1, max_length=MAX_VALUES, description="New text by old text."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.old is None) == (self.values is None):
            raise ValueError("takes exactly one of old and values")
        if self.old is not None and (not self.old or self.new is None):
            raise ValueError("old must hold something and new be given")
        return self

    def plan(self, columns: Columns) -> Columns:
        columns.demand_listed(self.columns, TEXT, what="replace")
        return columns


class Extract(Step):
    """Put what a regular expression finds into a new column; null where nothing is."""

    step: Literal["extract"]
    column: ColumnName
    pattern: StorableText = Field(min_length=1, description="RE2 syntax.")
    into: ColumnName
    group: int = Field(1, ge=0, le=100, description="0 is all that was found.")

    def plan(self, columns: Columns) -> Columns:
        columns.demand([("/column", self.column)], TEXT, what="extract")
        return columns.adding({self.into: ColumnType.TEXT})


class Split(Step):
    """Cut a text at a separator into new columns; the last one gets the rest."""

    step: Literal["split"]
    column: ColumnName
    by: StorableText = Field(min_length=1)
    into: Annotated[ColumnNames, Field(max_length=MAX_PARTS)]
    drop: bool = Field(False, description="Leave the text itself out.")

    def plan(self, columns: Columns) -> Columns:
        columns.demand([("/column", self.column)], TEXT, what="split")
        kept = dict(columns)
        if self.drop:
            del kept[self.column]
        return columns.having({**kept, **dict.fromkeys(self.into, ColumnType.TEXT)})


class ParseDate(Step):
    """Read texts as dates or timestamps, by the first format that fits."""

    step: Literal["parse_date"]
    columns: ColumnNames
    formats: Annotated[list[Format], Field(min_length=1, max_length=20)]
    type: Literal["date", "timestamp"] = "date"
    timezone: StorableText | None = Field(
        None, description="Where the clock hung (`Europe/Zurich`); makes UTC of it."
    )
    on_error: OnError = Field("reject", description="What becomes of a misfit.")

    @model_validator(mode="after")
    def _zone_of_timestamps(self) -> Self:
        if self.timezone is not None and self.type != "timestamp":
            raise ValueError("timezone is for timestamps")
        return self

    def check_syntax(self) -> None:
        from zoneinfo import ZoneInfo

        try:
            if self.timezone is not None:
                ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            message = f"There is no time zone {self.timezone!r}."
            raise fault("/timezone", message, "timezone_unknown") from None

    def plan(self, columns: Columns) -> Columns:
        columns.demand_listed(self.columns, TEXT, what="parse_date")
        return columns.adding(dict.fromkeys(self.columns, ColumnType(self.type)))


class Fill(Step):
    """Put something where cells are null (NaN is no null)."""

    step: Literal["fill"]
    columns: ColumnNames
    method: Literal["constant", "mean", "median", "forward"] = "constant"
    value: Value = Field(None, description="For `constant`.")

    @model_validator(mode="after")
    def _value_for_constant(self) -> Self:
        if (self.method == "constant") == (self.value is None):
            raise ValueError("value is given for constant, and for nothing else")
        return self

    def plan(self, columns: Columns) -> Columns:
        if self.method in ("mean", "median"):
            numbers = NUMBERS - {ColumnType.DECIMAL}
            columns.demand_listed(self.columns, numbers, what=self.method)
            return columns.adding(dict.fromkeys(self.columns, ColumnType.FLOAT))
        columns.demand_listed(self.columns, PLAIN, what="fill")
        if self.method == "constant":
            for index, name in enumerate(self.columns):
                self._demand_fit(f"/columns/{index}", columns[name])
        return columns

    def _demand_fit(self, pointer: str, type: ColumnType) -> None:
        from foretell.recipes.constants import find_constant

        if find_constant(self.value, type) is None:
            message = f"The value does not fit a column of type {type}."
            raise fault(pointer, message, "value_type")


class Derive(Step):
    """Compute a column, new or in the place of one, by an expression."""

    step: Literal["derive"]
    column: ColumnName
    expression: Expression

    def check_syntax(self) -> None:
        read_syntax(self.expression, "/expression")

    def plan(self, columns: Columns) -> Columns:
        typed = columns.expression(self.expression, "/expression")
        return columns.adding({self.column: typed.type})


class Bin(Step):
    """Put numbers into ranges `[edge, next edge)`; the label is a text."""

    step: Literal["bin"]
    column: ColumnName
    edges: Annotated[list[int | float], Field(min_length=1, max_length=1_000)]
    labels: (
        Annotated[list[StorableText], Field(min_length=2, max_length=1_001)] | None
    ) = Field(None, description="One more than edges: below the first comes first.")
    into: ColumnName | None = Field(None, description="`COLUMN_bin` without.")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        pairs = zip(self.edges, self.edges[1:], strict=False)
        if any(not low < high for low, high in pairs):
            raise ValueError("edges must ascend")
        if any(abs(edge) == float("inf") or edge != edge for edge in self.edges):
            raise ValueError("edges must be finite")
        if self.labels is not None and len(self.labels) != len(self.edges) + 1:
            raise ValueError("labels must be one more than edges")
        return self

    @property
    def output(self) -> str:
        return self.into or f"{self.column}_bin"

    @property
    def texts(self) -> list[str]:
        """The labels, made of the edges when none were given."""
        if self.labels is not None:
            return self.labels
        pairs = zip(self.edges, self.edges[1:], strict=False)
        middle = [f"[{low}, {high})" for low, high in pairs]
        return [f"< {self.edges[0]}", *middle, f">= {self.edges[-1]}"]

    def plan(self, columns: Columns) -> Columns:
        columns.demand([("/column", self.column)], NUMBERS, what="bin")
        return columns.adding({self.output: ColumnType.TEXT})


class OneHot(Step):
    """Make a column of 0 and 1 for each value of a column; null gives 0 in all."""

    step: Literal["one_hot"]
    column: ColumnName
    values: (
        Annotated[
            list[StorableText | int | bool],
            Field(min_length=1, max_length=MAX_CATEGORIES),
        ]
        | None
    ) = Field(None, description="Those the rows hold, at most 1,000, without.")
    prefix: StorableText | None = Field(None, description="`COLUMN_` without.")
    drop: bool = Field(False, description="Leave the column itself out.")

    @model_validator(mode="after")
    def _distinct_values(self) -> Self:
        names = [value_name(value) for value in self.values or ()]
        if len(set(names)) != len(names):
            raise ValueError("values must differ")
        return self

    def plan(self, columns: Columns) -> Columns | None:
        types = TEXT | {ColumnType.INTEGER, ColumnType.BOOLEAN}
        columns.demand([("/column", self.column)], types, what="one_hot")
        if self.values is None:
            return None
        for index, value in enumerate(self.values):
            if type(value) is not _PYTHON_TYPES[columns[self.column]]:
                message = f"{self.column!r} is {columns[self.column]}."
                raise fault(f"/values/{index}", message, "value_type")
        return self.with_values(columns, self.values)

    def with_values(self, columns: Columns, values: list[str | int | bool]) -> Columns:
        """The columns it gives when the values are known."""
        kept = dict(columns)
        if self.drop:
            del kept[self.column]
        for value in values:
            name = self.name_of(value)
            if name in kept:
                message = f"There is a column {name!r} already; give a prefix."
                raise fault("/prefix", message, "name_taken")
            kept[name] = ColumnType.INTEGER
        return columns.having(kept)

    def name_of(self, value: str | int | bool) -> str:
        prefix = f"{self.column}_" if self.prefix is None else self.prefix
        return prefix + value_name(value)


def value_name(value: str | int | bool) -> str:
    """A value as a part of a column's name."""
    return str(value).lower() if isinstance(value, bool) else str(value)


_PYTHON_TYPES = {
    ColumnType.TEXT: str,
    ColumnType.INTEGER: int,
    ColumnType.BOOLEAN: bool,
}
CELL_STEPS: tuple[type[Step], ...] = (
    Rename,
    Select,
    Cast,
    Trim,
    Case,
    Replace,
    Extract,
    Split,
    ParseDate,
    Fill,
    Derive,
    Bin,
    OneHot,
)
