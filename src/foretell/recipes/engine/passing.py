"""Rows on their way through one step, or through the checks, with what is counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from foretell.errors import FieldError
from foretell.recipes.checks import Check
from foretell.recipes.engine.checking import Rule
from foretell.recipes.engine.operations import Operation, Rejected, column
from foretell.recipes.engine.output import RunOutput
from foretell.recipes.engine.tables import Table
from foretell.recipes.errors import RecipeCheckFailed
from foretell.recipes.messages import CheckReport, StepReport
from foretell.tabular.messages import CellError
from foretell.tabular.row_bytes import json_rows

SHOWN_ROWS = 10


class StepPass:
    """One step and its figures.

    Args:
        row: Name of the column of row numbers.
    """

    def __init__(self, index: int, name: str, row: str, is_preview: bool) -> None:
        self.index = index
        self.report = StepReport(step=name)
        self.operation: Operation | None = None
        self._row = row
        self._is_preview = is_preview

    def pass_on(
        self, frame: pl.DataFrame, output: RunOutput, *, is_own: bool = False
    ) -> pl.DataFrame:
        """The rows that come out; rejected ones go to `output`.

        Args:
            is_own: The step itself brought these rows in.
        """
        if self.operation is None:
            return frame
        outcome = self.operation.apply(frame)
        report = self.report
        report.rows_in += 0 if is_own else frame.height
        report.rows_out += outcome.frame.height
        report.changed += outcome.changed
        if outcome.rejected is not None:
            report.rejected += outcome.rejected.frame.height
            output.reject(outcome.rejected)
        if self._is_preview and frame.height and report.before is None:
            self._show(frame, outcome.frame)
        return outcome.frame

    def note_whole(self, before: Table, after: Table, added: str | None) -> None:
        """Count a step that made a table of a table.

        Args:
            added: The column that it computed.
        """
        self.report.rows_in, self.report.rows_out = before.rows, after.rows
        if added is not None:
            known = column(added).is_not_null().sum()
            self.report.changed = int(after.scan().select(known).collect().item())
        if self._is_preview:
            self._show(
                before.scan().head(SHOWN_ROWS).collect(),
                after.scan().head(SHOWN_ROWS).collect(),
            )

    def _show(self, before: pl.DataFrame, after: pl.DataFrame) -> None:
        if before.height == after.height and before.height > SHOWN_ROWS:
            before, after = self._changed_first(before, after)
        self.report.before = json_rows(before.head(SHOWN_ROWS).drop(self._row))
        self.report.after = json_rows(after.head(SHOWN_ROWS).drop(self._row))

    def _changed_first(
        self, before: pl.DataFrame, after: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        shared = [
            n
            for n, d in after.schema.items()
            if n != self._row and before.schema.get(n) == d
        ]
        if not shared:
            return before, after
        tests = [
            after[name].alias("cell").ne_missing(before[name]).alias(str(index))
            for index, name in enumerate(shared)
        ]
        differs = pl.DataFrame(tests).select(pl.any_horizontal(pl.all())).to_series()
        if not differs.any():
            return before, after
        return before.filter(differs), after.filter(differs)


@dataclass(frozen=True, slots=True)
class _Broken:
    """The rows of a batch that break one rule of a check of severity `reject`."""

    error: CellError
    mask: pl.Series


class CheckPass:
    """All checks on the rows that the last step gives."""

    def __init__(self, rules: Sequence[tuple[Check, Sequence[Rule]]], row: str) -> None:
        self._rules = rules
        self._row = row
        self.reports = [
            CheckReport(check=check.kind, severity=check.severity, column=check.named)
            for check, _ in rules
        ]

    def pass_on(self, frame: pl.DataFrame, output: RunOutput) -> pl.DataFrame:
        """The rows without those that a check of severity `reject` takes out."""
        rejecting: list[_Broken] = []
        for (check, rules), report in zip(self._rules, self.reports, strict=True):
            masks = [rule.broken(frame) for rule in rules]
            broken = any_of(masks)
            count = int(broken.sum())
            report.failed += count
            if count and check.severity == "reject":
                errors = [_error(check, rule) for rule in rules]
                rejecting += map(_Broken, errors, masks)
            elif count and report.examples is None:
                rows = frame.filter(broken).head(SHOWN_ROWS).drop(self._row)
                report.examples = json_rows(rows)
        return self._apart(frame, rejecting, output) if rejecting else frame

    def _apart(
        self, frame: pl.DataFrame, rejecting: list[_Broken], output: RunOutput
    ) -> pl.DataFrame:
        is_bad = any_of([broken.mask for broken in rejecting])
        masks = [broken.mask.filter(is_bad).to_list() for broken in rejecting]
        errors = [
            [b.error for b, is_broken in zip(rejecting, row, strict=True) if is_broken]
            for row in zip(*masks, strict=True)
        ]
        output.reject(Rejected(frame.filter(is_bad), errors))
        return frame.filter(~is_bad)

    def demand_no_failure(self, is_preview: bool) -> None:
        """Raise `RecipeCheckFailed` when a check of severity `fail` was broken."""
        if is_preview:
            return
        errors = [
            FieldError(
                f"/checks/{index}",
                f"{report.failed} rows break {report.check}"
                + (f" of {report.column!r}." if report.column else "."),
                report.check,
            )
            for index, report in enumerate(self.reports)
            if report.failed and report.severity == "fail"
        ]
        if errors:
            raise RecipeCheckFailed(errors)


def any_of(masks: Sequence[pl.Series]) -> pl.Series:
    """True where one of the masks, of which there is at least one, is."""
    found = masks[0]
    for mask in masks[1:]:
        found = found | mask
    return found


def _error(check: Check, rule: Rule) -> CellError:
    column_name = rule.column or check.named or ""
    return CellError(column=column_name, code=check.kind, reason=rule.reason)
