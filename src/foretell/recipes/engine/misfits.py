"""Steps that some cells do not fit: reject the row, make it null, or end the run."""

import polars as pl

from foretell.errors import FieldError
from foretell.recipes.engine.operations import (
    Operation,
    Outcome,
    Rejected,
    changed_rows,
)
from foretell.recipes.errors import RecipeStepFailed
from foretell.recipes.step_base import OnError
from foretell.tabular.messages import CellError
from foretell.tabular.row_bytes import ndjson_rows
from foretell.tabular.stored import exactly


class Fallible(Operation):
    """Computes columns in place; a cell that becomes null and was none is a misfit.

    Args:
        words: By column, what a misfit is said to be.
        here: Pointer of the step.
        code: Of the rejects.
    """

    def __init__(
        self,
        computed: dict[str, pl.Expr],
        on_error: OnError,
        words: dict[str, str],
        here: str,
        code: str,
    ) -> None:
        self._computed = computed
        self._on_error = on_error
        self._words = words
        self._here = here
        self._code = code

    def apply(self, frame: pl.DataFrame) -> Outcome:
        names = list(self._computed)
        made = frame.with_columns(
            value.alias(name) for name, value in self._computed.items()
        )
        misfits = {
            name: frame[name].is_not_null() & made[name].is_null() for name in names
        }
        misfits = {name: mask for name, mask in misfits.items() if mask.any()}
        if not misfits or self._on_error == "null":
            return Outcome(made, changed_rows(frame, made, names))
        if self._on_error == "fail":
            raise self._failure(frame, misfits)
        return self._apart(frame, made, misfits)

    def _apart(
        self, frame: pl.DataFrame, made: pl.DataFrame, misfits: dict[str, pl.Series]
    ) -> Outcome:
        masks = pl.DataFrame([m.alias(str(i)) for i, m in enumerate(misfits.values())])
        is_bad = masks.select(pl.any_horizontal(pl.all())).to_series()
        errors = [
            [self._error(n) for n, bad in zip(misfits, row, strict=True) if bad]
            for row in masks.filter(is_bad).iter_rows()
        ]
        kept, good = frame.filter(~is_bad), made.filter(~is_bad)
        rejected = Rejected(frame.filter(is_bad), errors)
        changed = changed_rows(kept, good, list(self._computed))
        return Outcome(good, changed, rejected)

    def _error(self, name: str) -> CellError:
        return CellError(column=name, code=self._code, reason=self._words[name])

    def _failure(
        self, frame: pl.DataFrame, misfits: dict[str, pl.Series]
    ) -> RecipeStepFailed:
        name, mask = next(iter(misfits.items()))
        cell = frame.filter(mask).head(1).select(exactly(name))
        shown = ndjson_rows(cell).decode().strip()[:300]
        message = f"{shown} {self._words[name]}."
        return RecipeStepFailed([FieldError(self._here, message, self._code)])
