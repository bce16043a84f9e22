"""Bodies of the dataset routes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from foretell.core.columns import ColumnType
from foretell.core.pagination import MAX_ROWS
from foretell.http.schemas import Body, Reading, Storable, Text, VersionNumber


class ColumnRead(Reading):
    name: str
    type: ColumnType
    nullable: bool


class DatasetRead(Reading):
    """A dataset as its current version shows it."""

    name: str
    description: str
    version: int
    current: int
    rows: int
    rejects: int
    bytes: int
    columns: list[ColumnRead]
    source: dict[str, Any]
    recipe: str | None = None
    lineage: dict[str, Any] = Field(default_factory=dict)
    owner_id: str
    visibility: Literal["private", "everyone"]
    readers: list[str]
    writers: list[str]
    created_at: datetime
    created_by: str


class DatasetVersionRead(Reading):
    """One immutable version."""

    name: str
    version: int
    rows: int
    rejects: int
    bytes: int
    columns: list[ColumnRead]
    source: dict[str, Any]
    recipe: str | None = None
    lineage: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime
    created_by: str


class DatasetChange(Body):
    """What of a dataset may change; its versions never do."""

    description: Text | None = None
    visibility: Literal["private", "everyone"] | None = None
    readers: list[str] | None = Field(
        None, max_length=1000, description="Users (id or e-mail) who may see it."
    )
    writers: list[str] | None = Field(
        None, max_length=1000, description="Users (id or e-mail) who may change it."
    )

    def given(self) -> dict[str, Any]:
        """The fields that were sent with a value."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


class CurrentSet(Body):
    version: VersionNumber


class CurrentRead(Reading):
    name: str
    version: int


class CountRead(Reading):
    count: int
    exact: bool


class DryRunRead(Reading):
    """What an import would make of the first 1,000 rows; nothing is stored."""

    columns: list[ColumnRead]
    rows: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    source: dict[str, Any]
    options: dict[str, Any]


class RowsRead(Reading):
    items: list[dict[str, Any]]
    next: str | None = None
    prev: str | None = None


class RejectsRead(Reading):
    """Rows kept aside, with the line of the source file each stands on."""

    items: list[dict[str, Any]]
    next: str | None = None


class Correlations(Reading):
    """Pearson's coefficients between the number columns (the first 20)."""

    columns: list[str]
    values: list[list[float | None]]


class ProfileRead(Reading):
    dataset: str
    version: int
    rows: int
    columns: list[dict[str, Any]]
    correlations: Correlations


class AggregateRead(Reading):
    """Groups with their figures, and how many groups there are in all."""

    items: list[dict[str, Any]] = Field(
        examples=[[{"y": 1, "count": 10, "mean(x)": 2.5}]]
    )
    groups: int


class ColumnNamed(Reading):
    name: str
    type: ColumnType


class ColumnRetyped(Reading):
    name: str
    from_: ColumnType = Field(alias="from")
    to: ColumnType


class ColumnsDiff(Reading):
    added: list[ColumnNamed]
    removed: list[ColumnNamed]
    changed: list[ColumnRetyped]


class RowsDiff(Reading):
    """Numbers of rows; `from` and `to` are those of the versions."""

    from_: int = Field(alias="from")
    to: int
    added: int
    removed: int
    changed: int
    unchanged: int


class RowChange(Reading):
    """A row that both versions have under one key, with the cells that differ."""

    key: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]


class DiffRead(Reading):
    """What changed between two versions, with some of the rows."""

    dataset: str
    from_: int = Field(alias="from")
    to: int
    columns: ColumnsDiff
    rows: RowsDiff
    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    changed: list[RowChange]


class QuerySend(Body):
    """One SELECT; a dataset is a table of its name, `"sales@3"` is version 3 of it."""

    sql: Annotated[Storable, Field(min_length=1, max_length=20_000)] = Field(
        examples=["SELECT species, count(*) AS n FROM penguins GROUP BY species"]
    )
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_ROWS)] = 1_000
    timeout_s: Annotated[float, Field(strict=True, gt=0, le=60)] = 10.0


class QueryColumnRead(Reading):
    name: str
    type: ColumnType


class QueryRead(Reading):
    """Rows of a statement, in its order; `truncated` says that there were more."""

    columns: list[QueryColumnRead]
    rows: list[list[Any]]
    truncated: bool
    elapsed_ms: float
