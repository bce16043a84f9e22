"""What a run writes: the parts of the new version, and its rejects."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import polars as pl

from foretell.core.columns import Column
from foretell.recipes.engine.operations import Rejected, column
from foretell.recipes.messages import RunResult, StepReport
from foretell.tabular.parts import PartWriter, describe_part
from foretell.tabular.profiling import column_type
from foretell.tabular.rejects import Reject, RejectWriter, rejects_json
from foretell.tabular.row_bytes import json_rows, ndjson_rows

if TYPE_CHECKING:
    from foretell.recipes.engine.passing import CheckPass


PART_ROWS = 262_144
"""Smaller than those of imports, so that most of the writing falls beside the steps."""


class RunOutput:
    """Takes rows and rejects; leaving the block without `finish` takes them back.

    Args:
        row: Name of the column of row numbers.
        is_preview: Keep what comes in memory and write nothing.
    """

    def __init__(self, folder: Path, row: str, *, is_preview: bool) -> None:
        self._row = row
        self._is_preview = is_preview
        self._parts = PartWriter(folder, part_rows=PART_ROWS)
        self._rejects = RejectWriter(folder / "rejects.parquet", keep=is_preview)
        self._kept: list[pl.DataFrame] = []
        self._nullable: dict[str, bool] = {}
        self._is_finished = False
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_finished:
            self._parts.discard()
            self._rejects.discard()

    def add(self, frame: pl.DataFrame, names: list[str]) -> None:
        """Take the next rows, with these columns in this order."""
        rows = frame.select([column(name) for name in names])
        self._rows += rows.height
        for name in names:
            if not self._nullable.get(name) and rows[name].null_count():
                self._nullable[name] = True
        if self._is_preview:
            self._kept.append(rows)
        else:
            self._parts.add(rows)

    def reject(self, rejected: Rejected) -> None:
        """Take rows aside; each says where it stood in the source version."""
        frame = rejected.frame
        numbers = frame[self._row].to_list()
        # Not `splitlines`: a text may hold other characters that end a line.
        lines = ndjson_rows(frame.drop(self._row)).decode().split("\n")[:-1]
        self._rejects.add(
            [
                Reject(
                    line=number,
                    record=number,
                    column=errors[0].column or None,
                    code=errors[0].code,
                    reason=errors[0].reason,
                    raw=line,
                    errors=list(errors),
                )
                for number, line, errors in zip(
                    numbers, lines, rejected.errors, strict=True
                )
            ]
        )

    def finish(
        self, empty: pl.DataFrame, steps: Sequence[StepReport], checks: "CheckPass"
    ) -> RunResult:
        """Complete the files and say what they hold."""
        written = [] if self._is_preview else self._parts.finish(empty)
        if self._is_preview:
            self._parts.discard()
        self._rejects.close()
        self._is_finished = True
        count = self._rejects.count
        has_file = count > 0 and not self._is_preview
        sample = pl.concat([empty, *self._kept]) if self._is_preview else None
        return RunResult(
            columns=[
                Column(name, column_type(dtype), self._nullable.get(name, False))
                for name, dtype in empty.schema.items()
            ],
            rows=self._rows,
            rejects=count,
            parts=written,
            rejects_file=describe_part(self._rejects.path, count) if has_file else None,
            steps=list(steps),
            checks=checks.reports,
            sample=None if sample is None else json_rows(sample),
            rejected=rejects_json(self._rejects.kept) if self._is_preview else None,
        )
