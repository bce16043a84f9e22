"""Run recipes on small tables, in this process and with real files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from foretell.core.columns import Column
from foretell.recipes.engine.running import run_recipe
from foretell.recipes.messages import (
    CheckReport,
    InputPart,
    InputTable,
    RunRequest,
    StepReport,
)
from foretell.tabular.profiling import column_type


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run made."""

    frame: pl.DataFrame
    rejects: list[dict[str, Any]]
    steps: list[StepReport]
    checks: list[CheckReport]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.frame.rows(named=True)


def stored(frame: pl.DataFrame, folder: Path, name: str) -> InputTable:
    """A table as a version of two parts."""
    middle = frame.height // 2
    parts = []
    for index, part in enumerate((frame.head(middle), frame.slice(middle))):
        path = folder / f"{name}-{index}.parquet"
        part.write_parquet(path)
        parts.append(InputPart(str(path), part.height))
    columns = [Column(n, column_type(d)) for n, d in frame.schema.items()]
    return InputTable(parts, columns)


def run(
    folder: Path,
    frame: pl.DataFrame,
    steps: Sequence[Mapping[str, Any]],
    checks: Sequence[Mapping[str, Any]] = (),
    others: Mapping[str, pl.DataFrame] | None = None,
    **more: Any,
) -> Ran:
    """Run steps and checks.

    Args:
        others: Tables that they name, by pointer.
    """
    output = folder / "output"
    output.mkdir(exist_ok=True)
    for old in output.iterdir():
        old.unlink()
    tables = {
        pointer: stored(other, folder, pointer.replace("/", "_"))
        for pointer, other in (others or {}).items()
    }
    request = RunRequest(
        table=stored(frame, folder, "source"),
        steps=list(steps),
        checks=list(checks),
        others=tables,
        functions=more.get("functions", {}),
        python_steps=more.get("python_steps", {}),
        output=str(output),
    )
    found = run_recipe(request, lambda _progress: None)
    made = pl.concat(pl.read_parquet(output / part.file) for part in found.parts)
    rejects = []
    if found.rejects_file is not None:
        rejects = pl.read_parquet(output / found.rejects_file.file).rows(named=True)
    left = {path.name for path in output.iterdir()}
    assert left == {p.file for p in found.parts} | (
        {"rejects.parquet"} if rejects else set()
    )
    assert [c.name for c in found.columns] == made.columns
    assert (made.height, len(rejects)) == (found.rows, found.rejects)
    return Ran(made, rejects, found.steps, found.checks)
