"""What datasets need from a table engine: it reads stored versions.

The engine blocks and loads a data library, so it is a plug-in: found by entry
point `foretell.table_engines`, called in a thread or in a process of its own, never
imported from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from foretell.core.columns import Column
from foretell.expressions.typed import TypedNode

RowFormat = Literal["json", "ndjson", "csv", "arrow"]
FileFormat = Literal["csv", "xlsx", "ndjson", "parquet", "arrow"]


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a version, in row order.

    Attributes:
        filters: Files that the engine made of single columns, by their names.
    """

    path: Path
    rows: int
    filters: Mapping[str, Path] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What rows are grouped by, under its name in the answer."""

    label: str
    value: TypedNode


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of each group.

    Attributes:
        function: A name in `aggregation.MEASURES`.
        argument: What it is taken of; `None` counts rows.
        share: Of a quantile, 0 to 1.
    """

    label: str
    function: str
    argument: TypedNode | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups and their figures.

    Attributes:
        keys: None at all makes one group of every row.
        sort: By labels; the keys break ties, and decide where nothing is said.
    """

    keys: Sequence[GroupKey]
    measures: Sequence[Measure]
    where: TypedNode | None = None
    sort: Sequence[SortKey] = ()


@dataclass(frozen=True, slots=True)
class Groups:
    """The first groups as a JSON array of objects, and how many there are in all."""

    body: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows; not `is_exact` where time ran out and there may be more."""

    count: int
    is_exact: bool


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
    """Reads stored versions. Every method blocks; every answer is bytes or small.

    Attributes:
        filter_kind: Names the form of its key filters; changes when the form does.
    """

    filter_kind: str

    def page(
        self,
        table: Table,
        query: RowsQuery,
        *,
        limit: int,
        position: Position | None,
        row_format: RowFormat,
        max_cell: int | None = None,
        most_groups: int | None = None,
    ) -> RowsPage | None:
        """At most `limit` rows after (or before) `position`.

        For `json` the body is the array of rows. Texts longer than `max_cell`
        characters are cut.

        Args:
            most_groups: Give `None` rather than decode more row groups than this.
        """
        ...

    def start_at(self, row: int) -> Position | None:
        """Where an unsorted, unfiltered page that skips `row` rows starts."""
        ...

    def seek(
        self, table: Table, query: RowsQuery, share: float, *, limit: int
    ) -> Position | None:
        """Where a page starts that has `share` (0 to 1) of the rows before it.

        The last page that is full is as far as it goes.
        """
        ...

    def count(
        self,
        table: Table,
        where: TypedNode | None,
        derived: Derived | None = None,
        *,
        seconds: float | None = None,
        most_groups: int | None = None,
    ) -> Counted | None:
        """Rows for which `where` is true, over the derived columns too.

        Args:
            seconds: Time after which it stops with what it found.
            most_groups: Give `None` rather than decode more row groups than this.
        """
        ...

    def aggregate(self, table: Table, grouping: Grouping, *, limit: int) -> Groups:
        """The first `limit` groups with their figures."""
        ...

    def diff(
        self, old: Table, new: Table, *, key: Sequence[str], limit: int
    ) -> dict[str, Any]:
        """What changed between two versions of a dataset.

        Args:
            key: Columns that say which rows are the same; without any, equal rows are.
            limit: Most rows to show of each kind of change.
        """
        ...

    def profile(
        self, table: Table, where: TypedNode | None, derived: Derived | None = None
    ) -> dict[str, Any]:
        """Figures of each column, derived ones in the place of those they replace."""
        ...

    def filter_columns(self, where: TypedNode | None) -> Sequence[str]:
        """Columns of which a key filter would help to find the matching rows."""
        ...

    def key_filter(self, part: Part, column: str) -> bytes:
        """What says of each row group whether it may hold a value; put into a file."""
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
