"""What a planned step is when it runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from foretell.recipes.engine.tables import Table
from foretell.recipes.planning import Columns
from foretell.tabular.messages import CellError
from foretell.tabular.stored import exactly


@dataclass(frozen=True, slots=True)
class Rejected:
    """Rows for the rejects, and what is wrong with each."""

    frame: pl.DataFrame
    errors: Sequence[Sequence[CellError]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some rows.

    Attributes:
        changed: Rows with another cell, or with one in a new column.
    """

    frame: pl.DataFrame
    changed: int = 0
    rejected: Rejected | None = None


class Operation:
    """A step that goes through the rows in batches.

    Attributes:
        needs_table: Whether it looks at all rows before it takes the first.
    """

    needs_table = False

    def prepare(self, table: Table, columns: Columns) -> Columns | None:
        """Look at all rows; gives the columns where only the rows tell them."""
        return None

    def apply(self, frame: pl.DataFrame) -> Outcome:
        raise NotImplementedError

    def rest(self) -> Iterator[pl.DataFrame]:
        """Rows that come after the last."""
        return iter(())


class WholeTable:
    """A step that makes a table of the whole table.

    Attributes:
        added: The column that it adds to the rows, if that is what it does.
    """

    added: str | None = None

    def apply(self, scan: pl.LazyFrame) -> pl.LazyFrame:
        raise NotImplementedError


@dataclass(slots=True)
class Cells(Operation):
    """Computes columns from the columns of the same row.

    Attributes:
        computed: Expression by the name of its column.
        dropped: Columns that are left out then.
    """

    computed: dict[str, pl.Expr]
    dropped: Sequence[str] = field(default_factory=list)

    def apply(self, frame: pl.DataFrame) -> Outcome:
        made = frame.with_columns(
            value.alias(name) for name, value in self.computed.items()
        )
        changed = changed_rows(frame, made, list(self.computed))
        return Outcome(without(made, self.dropped), changed)


@dataclass(slots=True)
class Kept(Operation):
    """Keeps the rows for which a condition is true."""

    condition: pl.Expr

    def apply(self, frame: pl.DataFrame) -> Outcome:
        return Outcome(frame.filter(self.condition))


def changed_rows(
    before: pl.DataFrame, after: pl.DataFrame, names: Sequence[str]
) -> int:
    """Rows in which a column differs, or where a new or other one holds a value."""
    if not names or not after.height:
        return 0
    different: list[pl.Series] = []
    for name in names:
        # A name such as `^a$` would be a pattern to the series itself.
        new = after[name].alias("cell")
        old = before[name] if name in before.columns else None
        if old is None or old.dtype != new.dtype:
            different.append(new.is_not_null())
        else:
            different.append(new.ne_missing(old))
    if len(different) == 1:
        return int(different[0].sum())
    found = pl.DataFrame(
        [series.alias(str(index)) for index, series in enumerate(different)]
    )
    return int(found.select(pl.any_horizontal(pl.all()).sum()).item())


def without(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The frame without columns of these very names."""
    if not names:
        return frame
    return frame.select([column(n) for n in frame.columns if n not in names])


def column(name: str) -> pl.Expr:
    """The column of this very name."""
    return exactly(name)
