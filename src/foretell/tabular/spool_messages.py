"""What goes into the writing of spooled rows in its child, and what comes out."""

import msgspec

from foretell.core.columns import ColumnType
from foretell.tabular.messages import Part


class SpoolColumn(msgspec.Struct, frozen=True):
    """One column of the rows; `scale` is that of a decimal."""

    name: str
    type: ColumnType
    scale: int = 0


class SpoolRequest(msgspec.Struct, frozen=True):
    """Rows in a file, one JSON array a line, in the order of `columns`.

    Attributes:
        output: Folder for the parts.
    """

    source: str
    output: str
    columns: list[SpoolColumn]


class SpoolProgress(msgspec.Struct, frozen=True):
    rows: int


class SpoolResult(msgspec.Struct, frozen=True):
    rows: int
    parts: list[Part]
