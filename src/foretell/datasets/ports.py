"""What datasets need from a table engine: it reads stored versions.

The engine blocks and loads a data library, so it is a plug-in: found by entry
point `foretell.table_engines`, called in a thread, never imported from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from foretell.core.columns import Column
from foretell.expressions.typed import TypedNode

RowFormat = Literal["json", "ndjson", "csv", "arrow"]
FileFormat = Literal["csv", "ndjson", "parquet", "arrow"]


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a version, in row order."""

    path: Path
    rows: int


@dataclass(frozen=True, slots=True)
class SortKey:
    """One column to sort by; nulls come last both ways."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A stored version: its files and columns."""

    parts: Sequence[Part]
    columns: Sequence[Column]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True, slots=True)
class RowsQuery:
    """Which rows and columns, in which order.

    Attributes:
        select: Columns in the order wanted.
        where: A boolean expression, or `None` for every row.
        sort: Keys; empty means the order of the file.
    """

    select: Sequence[str]
    where: TypedNode | None = None
    sort: Sequence[SortKey] = ()


Derived = Mapping[str, TypedNode]
"""Columns that are computed while reading, by name; they hide stored ones."""

Position = Mapping[str, Any]
"""Where a page ends, as the engine wrote it: JSON-like, put into the cursor."""


@dataclass(frozen=True, slots=True)
class RowsPage:
    """A page of rows, already encoded, and where its neighbours start."""

    body: bytes
    next: Position | None
    previous: Position | None


class TableEngine(Protocol):
    """Reads stored versions. Every method blocks; every answer is bytes or small."""

    def page(
        self,
        table: Table,
        query: RowsQuery,
        *,
        limit: int,
        position: Position | None,
        row_format: RowFormat,
        max_cell: int | None = None,
    ) -> RowsPage:
        """At most `limit` rows after (or before) `position`.

        For `json` the body is the array of rows. Texts longer than `max_cell`
        characters are cut.
        """
        ...

    def start_at(self, row: int) -> Position | None:
        """Where an unsorted, unfiltered page that skips `row` rows starts."""
        ...

    def count(
        self, table: Table, where: TypedNode | None, derived: Derived | None = None
    ) -> int:
        """Rows for which `where` is true, over the derived columns too."""
        ...

    def profile(
        self, table: Table, where: TypedNode | None, derived: Derived | None = None
    ) -> dict[str, Any]:
        """Figures of each column, derived ones in the place of those they replace."""
        ...

    def rejects(
        self, path: Path, *, after: int, limit: int
    ) -> tuple[bytes, int | None]:
        """Rejects from position `after` on as a JSON array, and the next position."""
        ...

    def rejects_file(self, path: Path) -> Iterator[bytes]:
        """All rejects as CSV, in chunks."""
        ...

    def download(
        self, table: Table, query: RowsQuery, file_format: FileFormat
    ) -> Iterator[bytes]:
        """All rows of `query` as a file, in chunks, in bounded memory."""
        ...
