"""Bodies of the dataset routes."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from foretell.core.columns import ColumnType
from foretell.http.schemas import Body, Reading, Text


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
    lineage: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime
    created_by: str


class DatasetChange(Body):
    """What of a dataset may change; its versions never do."""

    description: Text | None = None
    visibility: Literal["private", "everyone"] | None = None
    readers: list[str] | None = Field(None, max_length=1000)
    writers: list[str] | None = Field(None, max_length=1000)


class CurrentSet(Body):
    version: int = Field(ge=1)


class CurrentRead(Reading):
    name: str
    version: int


class CountRead(Reading):
    count: int
    exact: bool


class ImportOptions(Body):
    """How to read a source file; what is not said is found out.

    Types are column types of this API. `header` is true, false or the number of
    the row (from 1) that holds the names.
    """

    format: Literal["csv", "tsv"] | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    quote: str | None = Field(None, max_length=1)
    encoding: str | None = Field(None, max_length=40)
    header: bool | int | None = None
    skip: int | None = Field(None, ge=0, le=1_000_000)
    types: dict[str, ColumnType] = Field(default_factory=dict)
    nulls: list[str] | None = Field(None, max_length=100)
    date_format: dict[str, str] = Field(default_factory=dict)
    decimal: Literal[".", ","] | None = None

    @field_validator("header")
    @classmethod
    def _row_from_one(cls, value: bool | int | None) -> bool | int | None:
        if value is not None and not isinstance(value, bool) and value < 1:
            raise ValueError("counts rows from 1")
        return value


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


class ProfileRead(Reading):
    dataset: str
    version: int
    rows: int
    columns: list[dict[str, Any]]
