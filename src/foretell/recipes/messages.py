"""What goes into a run in its child, and what comes out; loads no data library."""

from typing import Any

import msgspec

from foretell.core.columns import Column
from foretell.tabular.messages import Part


class InputPart(msgspec.Struct, frozen=True):
    """One Parquet file of a version, in row order."""

    path: str
    rows: int


class InputTable(msgspec.Struct, frozen=True):
    """A stored version of a dataset."""

    parts: list[InputPart]
    columns: list[Column]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


class RunRequest(msgspec.Struct, frozen=True):
    """What to run on what.

    Attributes:
        others: Tables that steps and checks name, by their pointer.
        functions, steps: Where those of extensions are, `module:name`, by name.
        output: Folder for the parts.
        preview_rows: Run on the first rows alone, and tell of each step.
    """

    table: InputTable
    steps: list[Any]
    checks: list[Any]
    others: dict[str, InputTable]
    functions: dict[str, str]
    python_steps: dict[str, str]
    output: str
    preview_rows: int | None = None


class RunProgress(msgspec.Struct, frozen=True):
    """Which step it is at, and the rows read of the table it works on."""

    step: int
    rows: int
    total: int


class StepReport(msgspec.Struct):
    """What a step did; `changed` counts rows with another cell or a new one.

    Attributes:
        before, after: JSON arrays of rows, in a preview.
    """

    step: str
    rows_in: int = 0
    rows_out: int = 0
    changed: int = 0
    rejected: int = 0
    before: bytes | None = None
    after: bytes | None = None


class CheckReport(msgspec.Struct):
    """What a check found; each row that broke it is counted."""

    check: str
    severity: str
    column: str | None = None
    failed: int = 0
    examples: bytes | None = None


class RunResult(msgspec.Struct, frozen=True):
    """What a run made.

    Attributes:
        sample, rejected: JSON arrays, in a preview.
    """

    columns: list[Column]
    rows: int
    rejects: int
    parts: list[Part]
    rejects_file: Part | None
    steps: list[StepReport]
    checks: list[CheckReport]
    sample: bytes | None = None
    rejected: bytes | None = None
