"""What goes into the fitting of parts in its child, and what comes out."""

import msgspec

from foretell.tabular.messages import Part


class FitRequest(msgspec.Struct, frozen=True):
    """The parts of a version and those that are to follow.

    Attributes:
        output: Folder for what is written again.
        texts: Columns that may become text, because the caller says so.
        part_rows: Most rows of a part.
    """

    old: list[str]
    new: list[str]
    output: str
    texts: list[str] = []
    part_rows: int = 1_000_000


class FitProgress(msgspec.Struct, frozen=True):
    """Rows of the part that is written."""

    rows: int


class Unfit(msgspec.Struct, frozen=True):
    """A column that cannot be of one type, and why."""

    column: str
    message: str


class FittedPart(msgspec.Struct, frozen=True):
    """A part that takes the place of the one at `place`; a large one may become
    several."""

    place: int
    part: Part


class FitResult(msgspec.Struct, frozen=True):
    """What became of the parts.

    Attributes:
        unfit: Columns of types that do not go together; then nothing was written.
        old, new: Parts written again.
        columns: The type of each column.
        scales: Digits behind the point of each decimal.
    """

    unfit: list[Unfit] = []
    old: list[FittedPart] = []
    new: list[FittedPart] = []
    columns: dict[str, str] = {}
    scales: dict[str, int] = {}
