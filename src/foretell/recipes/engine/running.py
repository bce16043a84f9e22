"""Runs a recipe in its child: parts of a version in, parts, rejects and a report out.

Steps that need a row alone go through the table together, batch by batch. A step that
needs the whole table gets what those before it made, spooled to the disk. So memory is
bounded by the batches and by what the step itself has to hold: the keys of a dedupe,
the other table of a join, the whole of a sort.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from foretell.core.columns import Column
from foretell.errors import FieldError
from foretell.expressions.own import OwnFunction
from foretell.recipes.checks import Check
from foretell.recipes.engine import cells, checking, python_steps, rows, wholes
from foretell.recipes.engine.operations import Operation, WholeTable, column
from foretell.recipes.engine.output import RunOutput
from foretell.recipes.engine.passing import CheckPass, StepPass
from foretell.recipes.engine.tables import Spool, Table
from foretell.recipes.errors import RecipeStepFailed
from foretell.recipes.messages import (
    InputTable,
    RunProgress,
    RunRequest,
    RunResult,
)
from foretell.recipes.planning import Columns, Surroundings
from foretell.recipes.recipe import OwnStep, Recipe, planned, pointed, read_recipe
from foretell.recipes.step_base import Step
from foretell.sandbox.child import Report, resolve
from foretell.tabular.python_steps import PythonStep

_ROW = "__row"


def run_recipe(request: RunRequest, report: Report) -> RunResult:
    """Run a recipe.

    Raises:
        RecipeInvalid: A step does not fit the columns.
        RecipeStepFailed: A step cannot go on.
        RecipeCheckFailed: Rows break a check of severity `fail`.
    """
    own = {
        name: PythonStep.of(resolve(place), name)
        for name, place in request.python_steps.items()
    }
    recipe = read_recipe(request.steps, request.checks, own)
    return _Run(request, recipe, own, report).result()


class _Run:
    def __init__(
        self,
        request: RunRequest,
        recipe: Recipe,
        own: dict[str, PythonStep],
        report: Report,
    ) -> None:
        self._request = request
        self._recipe = recipe
        self._own = own
        self._report = report
        self._row = _free_name(request)
        self._others = {
            here: _table(other, self._row) for here, other in request.others.items()
        }
        self._spool = Spool(Path(request.output), self._row)
        self._table = self._source()
        self._columns = self._source_columns()
        self._waiting: list[StepPass] = []
        self._steps: list[StepPass] = []
        self._output = RunOutput(
            Path(request.output), self._row, is_preview=request.preview_rows is not None
        )

    def result(self) -> RunResult:
        """Run all of it; what is written is taken back when it fails."""
        with self._output:
            for index, step in enumerate(self._recipe.steps):
                self._take(index, step)
            checks = self._check_pass()
            names = list(self._columns)
            empty = self._finish(checks, names)
            checks.demand_no_failure(self._request.preview_rows is not None)
            found = self._output.finish(
                empty.select([column(name) for name in names]),
                [step.report for step in self._steps],
                checks,
            )
        self._spool.keep_only(None)
        return found

    # --- steps ------------------------------------------------------------------

    def _take(self, index: int, step: Step) -> None:
        here = f"/steps/{index}"
        columns = self._columns.at(here)
        after = planned(step, columns, here)
        passing = StepPass(index, step.kind, self._row, self._is_preview)
        self._steps.append(passing)
        operation = self._operation(step, columns, here)
        if isinstance(operation, WholeTable):
            self._gather()
            self._make_whole(passing, operation, after, here)
            return
        if operation.needs_table:
            self._gather()
            after = operation.prepare(self._table, columns) or after
        passing.operation = operation
        self._waiting.append(passing)
        self._columns = after or columns

    def _operation(
        self, step: Step, columns: Columns, here: str
    ) -> Operation | WholeTable:
        kind = type(step)
        if isinstance(step, OwnStep):
            return python_steps.build(
                self._own[step.step], step.options, self._row, here
            )
        if kind in wholes.BUILDERS:
            return wholes.BUILDERS[kind](step, columns, self._row)
        return pointed(here, lambda: self._cells_or_rows(step, columns))

    def _cells_or_rows(self, step: Step, columns: Columns) -> Operation:
        kind = type(step)
        if kind in rows.BUILDERS:
            return rows.BUILDERS[kind](step, columns, self._others)
        return cells.BUILDERS[kind](step, columns)

    def _make_whole(
        self,
        passing: StepPass,
        operation: WholeTable,
        after: Columns | None,
        here: str,
    ) -> None:
        before = self._table
        with _computing(here):
            made = operation.apply(before.scan())
            self._table = self._spool.of_scan(made)
        passing.note_whole(before, self._table, operation.added)
        self._spool.keep_only(self._table)
        if after is None:
            after = self._columns.having(self._types_of(self._table.empty()))
        self._columns = after

    def _types_of(self, frame: pl.DataFrame) -> dict[str, Any]:
        from foretell.tabular.profiling import column_type

        return {
            name: column_type(dtype)
            for name, dtype in frame.schema.items()
            if name != self._row
        }

    # --- passes -----------------------------------------------------------------

    def _gather(self) -> None:
        """Write what the waiting steps make of the table, if any wait."""
        if not self._waiting:
            return
        empty = self._through(self._table.empty())
        frames = self._passed()
        self._table = self._spool.of_frames(frames, empty)
        self._spool.keep_only(self._table)
        self._waiting = []

    def _finish(self, checks: CheckPass, names: list[str]) -> pl.DataFrame:
        empty = self._through(self._table.empty())
        for frame in self._passed():
            self._output.add(checks.pass_on(frame, self._output), names)
        return empty

    def _passed(self) -> Iterator[pl.DataFrame]:
        """The batches of the table as they come out of the waiting steps."""
        read = 0
        for frame in self._table.batches():
            read += frame.height
            step = len(self._steps) - 1
            self._report(RunProgress(step, read, self._table.rows))
            yield self._through(frame)
        for index, passing in enumerate(self._waiting):
            if passing.operation is None:
                continue
            for frame in passing.operation.rest():
                yield self._through(frame, index, is_own=True)

    def _through(
        self, frame: pl.DataFrame, start: int = 0, *, is_own: bool = False
    ) -> pl.DataFrame:
        """What the waiting steps from `start` on make of rows; the first of them
        brought these in itself where `is_own`."""
        for passing in self._waiting[start:]:
            with _computing(f"/steps/{passing.index}"):
                frame = passing.pass_on(frame, self._output, is_own=is_own)
            is_own = False
        return frame

    def _check_pass(self) -> CheckPass:
        self._recipe.plan_checks(self._columns)
        found = [self._rules(i, check) for i, check in enumerate(self._recipe.checks)]
        rules = [rule for _, several in found for rule in several if rule.needs_table]
        if rules:
            self._gather()
        for rule in rules:
            rule.prepare(self._table)
        return CheckPass(found, self._row)

    def _rules(self, index: int, check: Check) -> tuple[Check, list[checking.Rule]]:
        columns = self._columns.at(f"/checks/{index}")
        rules: list[checking.Rule] = pointed(
            columns.here, lambda: checking.rules_of(check, columns, self._others)
        )
        return check, rules

    # --- the source -------------------------------------------------------------

    @property
    def _is_preview(self) -> bool:
        return self._request.preview_rows is not None

    def _source(self) -> Table:
        table = _table(self._request.table, self._row)
        most = self._request.preview_rows
        if most is None:
            return table
        return self._spool.of_frames(
            iter([table.scan().head(most).collect()]), table.empty()
        )

    def _source_columns(self) -> Columns:
        surroundings = Surroundings(
            functions={
                name: OwnFunction.of(resolve(place), name)
                for name, place in self._request.functions.items()
            },
            steps=self._own,
            tables={
                here: Columns({c.name: c.type for c in other.columns})
                for here, other in self._request.others.items()
            },
        )
        types = {c.name: c.type for c in self._request.table.columns}
        return Columns(types, surroundings)


def _table(table: InputTable, row: str) -> Table:
    return Table(table.parts, row, is_numbered=False)


def _free_name(request: RunRequest) -> str:
    """A name that no column has or gets."""
    text = msgspec.json.encode([request.steps, request.table.columns]).decode()
    others: Sequence[Column] = [
        column for other in request.others.values() for column in other.columns
    ]
    taken = text + "".join(column.name for column in others)
    name = _ROW
    while name in taken:
        name += "_"
    return name


@contextmanager
def _computing(here: str) -> Iterator[None]:
    """Tell which step it is that polars cannot compute, such as a sum that leaves 64
    bits."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        message = f"The step cannot be computed: {_first_line(error)}"
        raise RecipeStepFailed([FieldError(here, message, "step_failed")]) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
