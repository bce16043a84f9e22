"""What goes into the inspection of an upload, and what comes out.

These values cross from the sandboxed child to the service and into the database, so
they are plain structs and this module imports no data library.
"""

from typing import Literal

import msgspec

from foretell.models.baselines import Baseline
from foretell.models.gate.verdict import Verdict
from foretell.models.ports import EngineSpec
from foretell.models.signature import Signature


class InspectRequest(msgspec.Struct, frozen=True):
    """An uploaded artifact and the terms for it.

    Attributes:
        artifact: Path of the file, readable for the child.
        output: Folder the child may write to; the twin is left there.
        filename: Name the caller gave it; a hint only.
        flavour: Flavour the caller declared, or None to find out.
        example: Path of a file with sample rows (CSV, JSON or Parquet).
        allow: `PICKLE_ALLOW`.
        trust: The caller has `models:trust` and vouches for unknown names.
        pickle: `PICKLE`: `forbid` refuses every pickle.
        engine: `auto`, or the engine to force (`native`).
        tolerance: Largest accepted difference of a probability or, relative to
            max(1, |value|), of a value.
        names: Names of the inputs, where the caller's metadata gives them and the
            model has none.
        max_bytes: Largest artifact that is opened.
    """

    artifact: str
    output: str
    filename: str = ""
    flavour: str | None = None
    example: str | None = None
    allow: list[str] = []
    trust: bool = False
    pickle: Literal["gate", "forbid"] = "gate"
    engine: str = "auto"
    tolerance: float = 1e-6
    names: list[str] | None = None
    max_bytes: int = 2 * 1024**3


class Difference(msgspec.Struct, frozen=True):
    """The worst row that a twin answered otherwise than the model."""

    why: str
    row: dict[str, str | int | float | bool | None]
    expected: str
    given: str


class TwinReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one candidate did on the probe rows."""

    engine: str
    variant: str
    accepted: bool
    rows: int = 0
    wrong_labels: int = 0
    rows_off: int = 0
    largest_difference: float = 0.0
    reason: str | None = None
    worst: Difference | None = None
    one_row_us: float | None = None


class ParityReport(msgspec.Struct, frozen=True):
    """Which engines were tried, and which answers as the model does.

    Attributes:
        probes: How many probe rows of each kind were made.
    """

    engine: str
    tolerance: float
    probes: dict[str, int]
    twins: list[TwinReport]


class Twin(msgspec.Struct, frozen=True):
    """The file the chosen engine opens; `name` is inside the output folder."""

    name: str
    sha256: str
    bytes: int


class Library(msgspec.Struct, frozen=True, omit_defaults=True):
    """A library's version in the file and on this server."""

    installed: str | None = None
    saved: str | None = None


class InspectResult(msgspec.Struct, frozen=True):
    """Everything a model version is made from.

    Attributes:
        engine: Name of the chosen engine; `native` runs only in the model host.
        spec: What `loading.open_predictor` needs beside the file.
        twin: The chosen engine's file; None for `native`.
        one_row_us: Median time of one call with one row, in microseconds; the
            service runs calls below a millisecond on the event loop.
        hundred_rows_us: The same for 100 rows.
        baseline: What later rows are compared with.
    """

    flavour: str
    engine: str
    signature: Signature
    spec: EngineSpec
    safety: Verdict
    parity: ParityReport
    libraries: dict[str, Library]
    twin: Twin | None
    sha256: str
    bytes: int
    warnings: list[str]
    one_row_us: float
    hundred_rows_us: float
    baseline: Baseline | None = None


class InspectProgress(msgspec.Struct, frozen=True):
    """Which part of the inspection runs now."""

    step: Literal["gate", "load", "probe", "convert", "compare", "measure"]
