"""What goes into the writing of spooled rows in its child, and what comes out."""

import msgspec

from foretell.core.columns import ColumnType
from foretell.tabular.messages import Part


class SpoolColumn(msgspec.Struct, frozen=True):
    """One column of the rows.

    Attributes:
        scale: Of a decimal.
        is_zoned: Whether timestamps are moments.
        item: What the lists of a list column hold.
    """

    name: str
    type: ColumnType
    scale: int = 0
    is_zoned: bool = True
    item: ColumnType | None = None


class SpoolRequest(msgspec.Struct, frozen=True):
    """Rows in a file, one JSON array a line, in the order of `columns`.

    A row may end early; what it lacks is null. Bytes are base64, durations
    microseconds, numbers that JSON does not have are texts.

    Attributes:
        output: Folder for the parts.
        is_sample: Write no part; the few rows go into the result.
    """

    source: str
    output: str
    columns: list[SpoolColumn]
    is_sample: bool = False


class SpoolProgress(msgspec.Struct, frozen=True):
    rows: int


class SpoolResult(msgspec.Struct, frozen=True):
    """What was written.

    Attributes:
        sample: The rows as one JSON array, where they were asked for.
    """

    rows: int
    parts: list[Part]
    sample: bytes | None = None
