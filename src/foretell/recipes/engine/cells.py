"""Steps on cells as operations."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from foretell.core.columns import ColumnType
from foretell.errors import FieldError
from foretell.expressions.patterns import WHITE_SPACE
from foretell.expressions.polars_compiler import dtype_of, to_polars
from foretell.recipes import cell_steps as steps
from foretell.recipes.constants import find_constant
from foretell.recipes.engine.casts import cast, parse_dates
from foretell.recipes.engine.misfits import Fallible
from foretell.recipes.engine.operations import (
    Cells,
    Operation,
    Outcome,
    changed_rows,
    column,
    without,
)
from foretell.recipes.engine.tables import Table
from foretell.recipes.errors import RecipeStepFailed
from foretell.recipes.planning import Columns, fault


def rename(step: steps.Rename, _columns: Columns) -> Operation:
    return _Renamed(step.columns)


class _Renamed(Operation):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def apply(self, frame: pl.DataFrame) -> Outcome:
        return Outcome(frame.rename(dict(self._names)))


def select(step: steps.Select, columns: Columns) -> Operation:
    kept = step.columns or [n for n in columns if n not in (step.drop or ())]
    return _Selected(set(columns) - set(kept))


class _Selected(Operation):
    """The order of columns is made in the end."""

    def __init__(self, dropped: set[str]) -> None:
        self._dropped = sorted(dropped)

    def apply(self, frame: pl.DataFrame) -> Outcome:
        return Outcome(without(frame, self._dropped))


def cast_columns(step: steps.Cast, columns: Columns) -> Operation:
    computed = {
        name: cast(column(name), columns[name], ColumnType(target), step.scale)
        for name, target in step.columns.items()
    }
    words = {name: f"is no {target}" for name, target in step.columns.items()}
    return Fallible(computed, step.on_error, words, columns.here, "cast")


def trim(step: steps.Trim, _columns: Columns) -> Operation:
    def trimmed(name: str) -> pl.Expr:
        text = column(name).str.strip_chars(WHITE_SPACE)
        if step.inner:
            text = text.str.replace_all(f"[{WHITE_SPACE}]+", " ")
        return text

    return Cells({name: trimmed(name) for name in step.columns})


def case(step: steps.Case, _columns: Columns) -> Operation:
    turn: Callable[[pl.Expr], pl.Expr] = {
        "lower": lambda text: text.str.to_lowercase(),
        "upper": lambda text: text.str.to_uppercase(),
        "title": lambda text: text.str.to_titlecase(),
    }[step.to]
    return Cells({name: turn(column(name)) for name in step.columns})


def replace(step: steps.Replace, _columns: Columns) -> Operation:
    if step.values is not None:
        old, new = list(step.values), list(step.values.values())
        return Cells(
            {
                name: column(name).replace_strict(
                    old, new, default=column(name), return_dtype=pl.String
                )
                for name in step.columns
            }
        )
    old_text, new_text = step.old or "", step.new or ""
    if step.regex:
        demand_pattern(old_text, "/old")
    return Cells(
        {
            name: column(name).str.replace_all(
                old_text, new_text, literal=not step.regex
            )
            for name in step.columns
        }
    )


def extract(step: steps.Extract, _columns: Columns) -> Operation:
    groups = demand_pattern(step.pattern, "/pattern")
    if step.group > groups:
        message = f"The pattern has {groups} groups."
        raise fault("/group", message, "group_unknown")
    found = column(step.column).str.extract(step.pattern, step.group)
    return Cells({step.into: found})


def demand_pattern(pattern: str, pointer: str) -> int:
    """Refuse what the engine takes for no regular expression; gives its groups."""
    try:
        found = pl.Series([""]).str.extract_groups(f"()(?:{pattern})")
    except pl.exceptions.PolarsError as error:
        message = f"is no regular expression: {str(error).splitlines()[-1][:200]}"
        raise fault(pointer, message, "pattern_invalid") from error
    return len(found.struct.fields) - 1


def split(step: steps.Split, columns: Columns) -> Operation:
    count = len(step.into)
    pieces = column(step.column).str.splitn(step.by, count)
    computed = {
        name: pieces.struct.field(f"field_{index}")
        for index, name in enumerate(step.into)
    }
    dropped = step.drop and step.column not in step.into
    return Cells(computed, [step.column] if dropped else [])


def parse_date(step: steps.ParseDate, _columns: Columns) -> Operation:
    target = ColumnType(step.type)
    for index, form in enumerate(step.formats):
        _demand_format(form, target, f"/formats/{index}")
    computed = {
        name: parse_dates(column(name), step.formats, target, step.timezone)
        for name in step.columns
    }
    words = dict.fromkeys(step.columns, "fits no format")
    return Fallible(computed, step.on_error, words, _columns.here, "parse_date")


def _demand_format(form: str, target: ColumnType, pointer: str) -> None:
    try:
        pl.select(parse_dates(pl.lit("2024-02-29"), [form], target, None))
    except pl.exceptions.PolarsError as error:
        message = f"is no format of a {target}"
        raise fault(pointer, message, "format_invalid") from error


def fill(step: steps.Fill, columns: Columns) -> Operation:
    match step.method:
        case "constant":
            return Cells(
                {name: _filled(step, name, columns[name]) for name in step.columns}
            )
        case "forward":
            return _FilledForward(step.columns)
    return _FilledWithFigure(step)


def _filled(step: steps.Fill, name: str, type: ColumnType) -> pl.Expr:
    value = pl.lit(find_constant(step.value, type))
    # A decimal or a moment of a zone keeps the exact type of its column.
    if type is ColumnType.TIMESTAMP:
        return pl.coalesce(column(name), value.dt.replace_time_zone(None))
    return column(name).fill_null(value)


class _FilledForward(Operation):
    """Carries the last value over from batch to batch."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._last: pl.DataFrame | None = None

    def apply(self, frame: pl.DataFrame) -> Outcome:
        if not frame.height:
            return Outcome(frame)
        known = frame.select([column(name) for name in self._names])
        if self._last is not None:
            known = pl.concat([self._last, known])
        filled = known.select(pl.all().forward_fill()).tail(frame.height)
        self._last = filled.tail(1)
        made = frame.with_columns(filled[name] for name in self._names)
        return Outcome(made, changed_rows(frame, made, self._names))


class _FilledWithFigure(Operation):
    """With the mean or median of all rows; NaN does not count."""

    needs_table = True

    def __init__(self, step: steps.Fill) -> None:
        self._step = step
        self._figures: Mapping[str, float | None] = {}

    def prepare(self, table: Table, columns: Columns) -> None:
        found = table.scan().select(
            self._figure(column(name).cast(pl.Float64).fill_nan(None)).alias(name)
            for name in self._step.columns
        )
        self._figures = found.collect(engine="streaming").row(0, named=True)

    def _figure(self, value: pl.Expr) -> pl.Expr:
        return value.mean() if self._step.method == "mean" else value.median()

    def apply(self, frame: pl.DataFrame) -> Outcome:
        made = frame.with_columns(
            column(name)
            .cast(pl.Float64)
            .fill_null(pl.lit(figure, dtype=pl.Float64))
            .alias(name)
            for name, figure in self._figures.items()
        )
        nulls = pl.any_horizontal(column(n).is_null() for n in self._figures)
        return Outcome(made, int(frame.select(nulls.sum()).item()))


def derive(step: steps.Derive, columns: Columns) -> Operation:
    typed = columns.expression(step.expression, "/expression")
    # Without a column in it, an expression has the type that polars guesses.
    value = to_polars(typed)
    if typed.type is not ColumnType.DECIMAL:
        value = value.cast(dtype_of(typed.type))
    return Cells({step.column: value})


def bin_column(step: steps.Bin, columns: Columns) -> Operation:
    value = column(step.column)
    if columns[step.column] is ColumnType.FLOAT:
        value = value.fill_nan(None)
    if columns[step.column] is ColumnType.DECIMAL:
        value = value.cast(pl.Float64)
    labels = step.texts
    result = pl.when(value.is_not_null()).then(pl.lit(labels[-1]))
    found: Any = result
    for edge, label in reversed(list(zip(step.edges, labels, strict=False))):
        found = pl.when(value < edge).then(pl.lit(label)).otherwise(found)
    return Cells({step.output: found})


def one_hot(step: steps.OneHot, columns: Columns) -> Operation:
    return _OneHot(step)


class _OneHot(Operation):
    def __init__(self, step: steps.OneHot) -> None:
        self._step = step
        self._values = step.values
        self.needs_table = step.values is None

    def prepare(self, table: Table, columns: Columns) -> Columns:
        values = column(self._step.column).drop_nulls().unique()
        found = table.scan().select(values).collect(engine="streaming")
        if found.height > steps.MAX_CATEGORIES:
            message = f"The column has more than {steps.MAX_CATEGORIES} values."
            raise RecipeStepFailed(
                [FieldError(f"{columns.here}/column", message, "too_many_values")]
            )
        self._values = found.to_series().sort().to_list()
        if not self._values and self._step.drop:
            return columns.having(
                {n: t for n, t in columns.items() if n != self._step.column}
            )
        return self._step.with_values(columns, self._values)

    def apply(self, frame: pl.DataFrame) -> Outcome:
        value = column(self._step.column)
        computed = {
            self._step.name_of(known): (value == pl.lit(known))
            .fill_null(False)
            .cast(pl.Int64)
            for known in self._values or ()
        }
        return Cells(computed, [self._step.column] if self._step.drop else []).apply(
            frame
        )


BUILDERS: Mapping[type[Any], Callable[[Any, Columns], Operation]] = {
    steps.Rename: rename,
    steps.Select: select,
    steps.Cast: cast_columns,
    steps.Trim: trim,
    steps.Case: case,
    steps.Replace: replace,
    steps.Extract: extract,
    steps.Split: split,
    steps.ParseDate: parse_date,
    steps.Fill: fill,
    steps.Derive: derive,
    steps.Bin: bin_column,
    steps.OneHot: one_hot,
}
"""How a step becomes an operation on the columns it gets."""
