"""Steps that choose, order and gather rows."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from foretell.core.columns import ColumnType
from foretell.recipes.measures import Measure, parse_measure
from foretell.recipes.planning import (
    NUMBERS,
    ORDERED,
    PLAIN,
    Columns,
    fault,
    read_syntax,
)
from foretell.recipes.step_base import (
    ColumnName,
    ColumnNames,
    DatasetName,
    DatasetNumber,
    Expression,
    Step,
    StorableText,
)

MAX_KEYS = 100
SortKeys = Annotated[list[ColumnName], Field(min_length=1, max_length=MAX_KEYS)]


class DropNull(Step):
    """Leave out rows with a null."""

    step: Literal["drop_null"]
    columns: ColumnNames | None = Field(None, description="All without.")
    how: Literal["any", "all"] = Field("any", description="One of them, or each.")

    def plan(self, columns: Columns) -> Columns:
        columns.demand_listed(self.columns or ())
        return columns


class Dedupe(Step):
    """Keep one row of those that are equal; nulls are equal to one another."""

    step: Literal["dedupe"]
    columns: ColumnNames | None = Field(None, description="All without.")
    keep: Literal["first", "last", "none"] = "first"

    def plan(self, columns: Columns) -> Columns:
        names = self.columns or list(columns)
        columns.demand_listed(names, PLAIN, what="dedupe")
        return columns


class Filter(Step):
    """Keep the rows for which a condition is true."""

    step: Literal["filter"]
    where: Expression

    def check_syntax(self) -> None:
        read_syntax(self.where, "/where")

    def plan(self, columns: Columns) -> Columns:
        columns.condition(self.where, "/where")
        return columns


class Sort(Step):
    """Order the rows; `-` goes downwards, nulls come last, ties stay as they are."""

    step: Literal["sort"]
    by: SortKeys

    def plan(self, columns: Columns) -> Columns:
        demand_sort(columns, self.by, "/by")
        return columns


def demand_sort(columns: Columns, keys: list[str], pointer: str) -> None:
    """Refuse sort keys that name no column of an order."""
    wanted = [(f"{pointer}/{i}", sort_key(columns, k)[0]) for i, k in enumerate(keys)]
    columns.demand(wanted, ORDERED, what="sort")


def sort_key(columns: Columns, key: str) -> tuple[str, bool]:
    """Column and whether it goes downwards. A column that is called so comes first."""
    if key.startswith("-") and key not in columns:
        return key[1:], True
    return key, False


class Sample(Step):
    """Keep rows at random, the same for one seed."""

    step: Literal["sample"]
    rows: int | None = Field(None, ge=1, le=10**9)
    fraction: float | None = Field(None, gt=0, lt=1)
    seed: int = Field(0, ge=0, le=2**32)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.rows is None) == (self.fraction is None):
            raise ValueError("takes exactly one of rows and fraction")
        return self

    def plan(self, columns: Columns) -> Columns:
        return columns


class Aggregate(Step):
    """One row for each group; groups in the order in which they first appear."""

    step: Literal["aggregate"]
    by: Annotated[list[ColumnName], Field(max_length=MAX_KEYS)] = Field(
        default_factory=list, description="One group of all rows without."
    )
    measures: (
        Annotated[list[StorableText], Field(min_length=1, max_length=MAX_KEYS)]
        | Annotated[
            dict[ColumnName, StorableText], Field(min_length=1, max_length=MAX_KEYS)
        ]
    ) = Field(description="`count`, `mean(x)` …, as a list or by the new name.")

    def named(self) -> dict[str, tuple[str, Measure]]:
        """Pointer and measure by the name of the new column.

        Raises:
            StepFault: One cannot be read.
        """
        pairs = (
            [(f"/measures/{i}", text, text) for i, text in enumerate(self.measures)]
            if isinstance(self.measures, list)
            else [(f"/measures/{n}", n, text) for n, text in self.measures.items()]
        )
        return {
            name: (pointer, parse_measure(text, pointer))
            for pointer, name, text in pairs
        }

    def check_syntax(self) -> None:
        self.named()

    def plan(self, columns: Columns) -> Columns:
        wanted = [(f"/by/{index}", name) for index, name in enumerate(self.by)]
        columns.demand(wanted, PLAIN, what="aggregate")
        types = {name: columns[name] for name in self.by}
        for name, (pointer, measure) in self.named().items():
            if name in types:
                message = f"There is a column {name!r} already."
                raise fault(pointer, message, "name_taken")
            types[name] = measure.plan(columns, pointer)
        return columns.having(types)


WINDOW_FUNCTIONS = ("row_number", "rank", "dense_rank", "lag", "lead", "cumsum")


class Window(Step):
    """Compute a column over the rows of a group in an order."""

    step: Literal["window"]
    function: Literal["row_number", "rank", "dense_rank", "lag", "lead", "cumsum"]
    into: ColumnName
    column: ColumnName | None = Field(None, description="For lag, lead and cumsum.")
    by: Annotated[list[ColumnName], Field(max_length=MAX_KEYS)] = Field(
        default_factory=list
    )
    order: Annotated[list[ColumnName], Field(max_length=MAX_KEYS)] = Field(
        default_factory=list, description="The order of the table without."
    )
    offset: int = Field(1, ge=1, le=10**6, description="Rows back, or ahead.")

    @model_validator(mode="after")
    def _what_it_needs(self) -> Self:
        takes_column = self.function in ("lag", "lead", "cumsum")
        if takes_column != (self.column is not None):
            raise ValueError("column is for lag, lead and cumsum, and needed there")
        if self.function in ("rank", "dense_rank") and not self.order:
            raise ValueError("a rank needs an order")
        return self

    def plan(self, columns: Columns) -> Columns:
        columns.demand(
            [(f"/by/{i}", name) for i, name in enumerate(self.by)], PLAIN, what="by"
        )
        demand_sort(columns, self.order, "/order")
        if self.column is None:
            return columns.adding({self.into: ColumnType.INTEGER})
        numbers = NUMBERS - {ColumnType.DECIMAL}
        types = numbers if self.function == "cumsum" else PLAIN
        columns.demand([("/column", self.column)], types, what=self.function)
        return columns.adding({self.into: columns[self.column]})


class Join(Step):
    """Add the columns of another dataset where keys are equal; null equals nothing."""

    step: Literal["join"]
    dataset: DatasetName
    version: DatasetNumber | None = Field(None, description="The current one without.")
    on: (
        Annotated[list[ColumnName], Field(min_length=1, max_length=MAX_KEYS)]
        | Annotated[
            dict[ColumnName, ColumnName], Field(min_length=1, max_length=MAX_KEYS)
        ]
    ) = Field(description="Keys, or the other dataset's key by ours.")
    how: Literal["left", "inner", "semi", "anti"] = "left"
    columns: ColumnNames | None = Field(
        None, description="Of the other dataset; all but its keys without."
    )

    def names_dataset(self) -> tuple[str, int | None]:
        return self.dataset, self.version

    @property
    def keys(self) -> dict[str, str]:
        """The other dataset's key by ours."""
        return self.on if isinstance(self.on, dict) else {k: k for k in self.on}

    def added(self, columns: Columns) -> dict[str, str]:
        """The new columns: their name in the result by their name over there."""
        if self.how in ("semi", "anti"):
            return {}
        theirs = columns.other()
        keys = set(self.keys.values())
        wanted = self.columns or [name for name in theirs if name not in keys]
        taken, added = set(columns), {}
        for name in wanted:
            free, number = name, 2
            while free in taken:
                free, number = f"{name}_{number}", number + 1
            added[name] = free
            taken.add(free)
        return added

    def plan(self, columns: Columns) -> Columns:
        theirs = columns.other()
        columns.demand(((f"/on/{k}", k) for k in self.keys), PLAIN, what="join")
        theirs.demand(
            ((f"/on/{k}", other) for k, other in self.keys.items()), PLAIN, what="join"
        )
        for key, other in self.keys.items():
            if columns[key] is not theirs[other]:
                message = f"{key!r} is {columns[key]}, {other!r} is {theirs[other]}."
                raise fault(f"/on/{key}", message, "column_type")
        theirs.demand_listed(self.columns or ())
        added = self.added(columns)
        return columns.adding({new: theirs[name] for name, new in added.items()})


class Union(Step):
    """Add the rows of another dataset below; columns are matched by name."""

    step: Literal["union"]
    dataset: DatasetName
    version: DatasetNumber | None = Field(None, description="The current one without.")

    def names_dataset(self) -> tuple[str, int | None]:
        return self.dataset, self.version

    def plan(self, columns: Columns) -> Columns:
        types = dict(columns)
        for name, type in columns.other().items():
            mine = types.setdefault(name, type)
            if mine is type:
                continue
            if {mine, type} != {ColumnType.INTEGER, ColumnType.FLOAT}:
                message = f"{name!r} is {mine} here and {type} in {self.dataset!r}."
                raise fault("/dataset", message, "column_type")
            types[name] = ColumnType.FLOAT
        return columns.having(types)


ROW_STEPS: tuple[type[Step], ...] = (
    DropNull,
    Dedupe,
    Filter,
    Sort,
    Sample,
    Aggregate,
    Window,
    Join,
    Union,
)
