"""Python steps of extensions, on the kind of table that they ask for."""

from collections.abc import Mapping
from datetime import time
from typing import Any

import polars as pl
import pyarrow as pa

from foretell.errors import FieldError
from foretell.recipes.engine.operations import WholeTable
from foretell.recipes.errors import RecipeStepFailed
from foretell.tabular.parquet_types import stored_type
from foretell.tabular.python_steps import PythonStep


def build(
    step: PythonStep, options: Mapping[str, Any], row: str, here: str
) -> WholeTable:
    return _PythonStep(step, options, row, here)


class _PythonStep(WholeTable):
    def __init__(
        self, step: PythonStep, options: Mapping[str, Any], row: str, here: str
    ) -> None:
        self._here = here
        self._step = step
        self._options = step.check(options)
        self._row = row

    def apply(self, scan: pl.LazyFrame) -> pl.LazyFrame:
        table = scan.drop(self._row)
        made = self._run(table)
        # Rows are others now: they are counted anew.
        return (
            _storable(made)
            .with_row_index(self._row, 1)
            .with_columns(pl.col(self._row).cast(pl.Int64))
        )

    def _run(self, table: pl.LazyFrame) -> pl.LazyFrame:
        kind = self._step.frame
        given: Any = table if kind == "lazy" else table.collect()
        schema = given.schema if kind == "pandas" else {}
        if kind == "pandas":
            given = to_pandas(given)
        try:
            made = self._step.run(given, self._options)
            if isinstance(made, pl.LazyFrame):
                made = made.collect()
        except Exception as error:
            # It is somebody else's code; the traceback goes to the server's log.
            message = f"{self._step.name} raised {type(error).__name__}: {error}"
            raise self._failed(message[:500]) from error
        if kind == "pandas":
            made = self._of_pandas(made, schema)
        if not isinstance(made, pl.DataFrame):
            raise self._failed(f"{self._step.name} gave a {type(made).__name__}.")
        return made.lazy()

    def _of_pandas(self, made: Any, schema: Mapping[str, Any]) -> pl.DataFrame:
        import pandas as pd

        if not isinstance(made, pd.DataFrame):
            raise self._failed(f"{self._step.name} gave a {type(made).__name__}.")
        made = made.rename(columns=str)
        if not made.columns.is_unique:
            raise self._failed(f"{self._step.name} gave two columns of one name.")
        found: pl.DataFrame = pl.from_pandas(made, nan_to_null=True)
        days = [
            name
            for name, dtype in schema.items()
            if dtype == pl.Date
            and isinstance(found.schema.get(name), pl.Datetime)
            and (found[name].dt.time().drop_nulls() == time()).all()
        ]
        return found.with_columns(found[name].dt.date() for name in days)

    def _failed(self, message: str) -> RecipeStepFailed:
        return RecipeStepFailed([FieldError(self._here, message, "python_step")])


def to_pandas(frame: pl.DataFrame) -> Any:
    """A frame of pandas as `read_csv` types it, but exact: whole numbers and booleans
    with nulls have the nullable types, since a float would round the large ones."""
    import pandas as pd

    made = frame.to_pandas()
    for name, dtype in frame.schema.items():
        if not frame[name].null_count():
            continue
        if dtype == pl.Int64:
            made[name] = pd.array(frame[name].to_list(), dtype="Int64")
        elif dtype == pl.Boolean:
            made[name] = pd.array(frame[name].to_list(), dtype="boolean")
    return made


def _storable(frame: pl.LazyFrame) -> pl.LazyFrame:
    """With the one type that a version stores each public type in."""
    table = frame.collect().to_arrow(compat_level=pl.CompatLevel.oldest())
    fields = [pa.field(f.name, stored_type(f.name, f.type)) for f in table.schema]
    made = pl.DataFrame(table.cast(pa.schema(fields)))
    return made.lazy()
