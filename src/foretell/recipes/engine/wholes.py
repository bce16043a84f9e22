"""Steps that make a table of the whole table: sort, aggregate, window."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from foretell.core.columns import ColumnType
from foretell.recipes import row_steps as steps
from foretell.recipes.engine.operations import WholeTable, column
from foretell.recipes.measures import Measure
from foretell.recipes.planning import Columns

_FIRST = "\x00first"


def sort(step: steps.Sort, columns: Columns, row: str) -> WholeTable:
    return _Sorted([steps.sort_key(columns, key) for key in step.by])


class _Sorted(WholeTable):
    def __init__(self, keys: list[tuple[str, bool]]) -> None:
        self._keys = keys

    def apply(self, scan: pl.LazyFrame) -> pl.LazyFrame:
        return in_order(scan, self._keys)


def in_order(scan: pl.LazyFrame, keys: list[tuple[str, bool]]) -> pl.LazyFrame:
    """Sorted, nulls last both ways, ties as they were."""
    return scan.sort(
        [column(name) for name, _ in keys],
        descending=[down for _, down in keys],
        nulls_last=True,
        maintain_order=True,
    )


def aggregate(step: steps.Aggregate, columns: Columns, row: str) -> WholeTable:
    return _Aggregated(step, columns, row)


class _Aggregated(WholeTable):
    def __init__(self, step: steps.Aggregate, columns: Columns, row: str) -> None:
        self._by = step.by
        self._measures = {
            name: _measured(measure, columns)
            for name, (_, measure) in step.named().items()
        }
        self._row = row

    def apply(self, scan: pl.LazyFrame) -> pl.LazyFrame:
        values = [value.alias(name) for name, value in self._measures.items()]
        if not self._by:
            found = scan.select(values)
        else:
            # The order of appearance is the order of the least row of each group.
            found = (
                scan.with_row_index(_FIRST)
                .group_by([column(name) for name in self._by])
                .agg(pl.col(_FIRST).min(), *values)
                .sort(_FIRST)
                .drop(_FIRST)
            )
        return found.with_row_index(self._row, 1).with_columns(
            pl.col(self._row).cast(pl.Int64)
        )


def _measured(measure: Measure, columns: Columns) -> pl.Expr:
    if measure.column is None:
        return pl.len().cast(pl.Int64)
    value = column(measure.column)
    known = value.drop_nulls()
    match measure.function:
        case "count":
            return value.count().cast(pl.Int64)
        case "distinct":
            return known.n_unique().cast(pl.Int64)
        case "sum" if columns[measure.column] is ColumnType.INTEGER:
            # In 128 bits: a sum that leaves 64 must not come round.
            return value.cast(pl.Int128).sum().cast(pl.Int64)
        case "mean" | "median" | "std":
            number = value.cast(pl.Float64)
            return getattr(number, measure.function)()  # type: ignore[no-any-return]
        case "first" | "last":
            return getattr(known, measure.function)()  # type: ignore[no-any-return]
    return getattr(value, measure.function)()  # type: ignore[no-any-return]


def window(step: steps.Window, columns: Columns, row: str) -> WholeTable:
    return _Windowed(step, columns, row)


class _Windowed(WholeTable):
    """Sorted by the order, computed within the groups, and put back."""

    def __init__(self, step: steps.Window, columns: Columns, row: str) -> None:
        self.added = step.into
        self._step = step
        self._keys = [steps.sort_key(columns, key) for key in step.order]
        self._is_integer = (
            step.column is not None and columns[step.column] is ColumnType.INTEGER
        )

    def apply(self, scan: pl.LazyFrame) -> pl.LazyFrame:
        numbered = scan.with_row_index(_FIRST)
        if self._keys:
            numbered = in_order(numbered, self._keys)
        made = numbered.with_columns(self._value().alias(self._step.into))
        return made.sort(_FIRST).drop(_FIRST)

    def _value(self) -> pl.Expr:
        step = self._step
        number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
        if step.column is None:
            if step.function == "row_number":
                return self._over(number)
            return self._rank(number)
        value = column(step.column)
        if step.function == "cumsum":
            if self._is_integer:
                wide = self._over(value.cast(pl.Int128).cum_sum())
                return wide.cast(pl.Int64)
            return self._over(value.cum_sum())
        offset = step.offset if step.function == "lag" else -step.offset
        return self._over(value.shift(offset))

    def _rank(self, number: pl.Expr) -> pl.Expr:
        keys = [column(name) for name, _ in self._keys]
        is_new = pl.any_horizontal(key.ne_missing(key.shift(1)) for key in keys)
        # The first row of a group starts a rank, even if its keys are all null.
        is_new = is_new | (number == 1)
        if self._step.function == "dense_rank":
            return self._over(is_new.cast(pl.Int64).cum_sum())
        return self._over(pl.when(is_new).then(number).forward_fill())

    def _over(self, value: pl.Expr) -> pl.Expr:
        by = [column(name) for name in self._step.by]
        return value.over(by) if by else value


BUILDERS: Mapping[type[Any], Callable[[Any, Columns, str], WholeTable]] = {
    steps.Sort: sort,
    steps.Aggregate: aggregate,
    steps.Window: window,
}
