"""What goes into a batch prediction in its child, and what comes out.

Apart from the work itself, so that routes and tasks load no data library.
"""

import sys

import msgspec

from foretell.core.columns import ColumnType
from foretell.features.definition import Definition
from foretell.models.ports import EngineSpec
from foretell.models.signature import Signature
from foretell.tabular.messages import Part

GROUP_ROWS = 32_768
"""Most rows that a model is asked at once: a row group of an ordinary table."""
MAX_SHARD_ROWS = 2**40


class BatchFeatures(msgspec.Struct, frozen=True):
    """The feature set that makes the model's inputs of the dataset's columns.

    Attributes:
        types: Of the columns that the features use.
        functions: Where those of extensions are, `module:name`, by name.
    """

    definition: Definition
    types: dict[str, ColumnType]
    functions: dict[str, str]


class ScoreRequest(msgspec.Struct, frozen=True):
    """What to predict with what.

    Attributes:
        parts: Parquet files of the dataset version, in row order.
        before: Rows of the version in front of the first of `parts`.
        start, stop: The shard: groups of rows that begin in this range of the
            version's rows.
        keep: Columns of the dataset that go into the output.
        path, sha256: The artifact, or the twin when `is_native` is false.
        output: Folder for the parts.
    """

    parts: list[str]
    keep: list[str]
    output: str
    flavour: str
    path: str
    sha256: str
    is_native: bool
    spec: EngineSpec
    signature: Signature
    allow: list[str] = []
    trust: bool = False
    features: BatchFeatures | None = None
    before: int = 0
    start: int = 0
    stop: int = sys.maxsize


class ScoreProgress(msgspec.Struct, frozen=True):
    rows: int


class OutputColumn(msgspec.Struct, frozen=True):
    """One new column, as the dataset's manifest names it."""

    name: str
    type: str
    nullable: bool = False


class ScoreResult(msgspec.Struct, frozen=True):
    """The parts written, and the columns they have beside those kept.

    A shard in which no group begins has no parts.
    """

    rows: int
    parts: list[Part]
    columns: list[OutputColumn]
