"""Bodies of the feature set routes."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from foretell.core.columns import ColumnType
from foretell.features.definition import MAX_FEATURES
from foretell.http.schemas import Body, Reading, Storable, Text

MemberName = Annotated[Storable, Field(min_length=1, max_length=255)]
InputType = Literal[
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.DECIMAL,
    ColumnType.FLOAT,
    ColumnType.TEXT,
    ColumnType.DATE,
    ColumnType.TIME,
    ColumnType.TIMESTAMP,
]


class FeatureWrite(Body):
    """One feature."""

    name: MemberName
    expression: Annotated[Storable, Field(min_length=1, max_length=2_000)]


class InputWrite(Body):
    """One member of the raw record."""

    name: MemberName
    type: InputType


class FeatureSetWrite(Body):
    """Features, each an expression over the raw record.

    `inputs` says what members of the record are; others are what their values are.
    """

    features: list[FeatureWrite] = Field(min_length=1, max_length=MAX_FEATURES)
    inputs: list[InputWrite] = Field(default_factory=list, max_length=10_000)
    description: Text | None = Field(None, max_length=2_000)

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        for parts in (self.features, self.inputs):
            names = [part.name for part in parts]
            if len(set(names)) != len(names):
                raise ValueError("names must differ")
        return self


class FeatureRead(Reading):
    name: str
    expression: str


class InputRead(Reading):
    name: str
    type: str


class FeatureSetRead(Reading):
    """A feature set as one of its versions shows it, the latest by default."""

    name: str
    version: int
    latest: int
    description: str
    features: list[FeatureRead]
    inputs: list[InputRead]
    owner_id: str
    visibility: Literal["private", "everyone"]
    readers: list[str]
    writers: list[str]
    created_at: datetime
    created_by: str


class ShareWrite(Body):
    """The description, and who may see and change it. Left out: stays."""

    description: Text | None = Field(None, max_length=2_000)
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


class ComputeBody(Body):
    """Raw records. Members that no feature uses do no harm."""

    rows: list[dict[str, Any]]


class ComputedRead(Reading):
    """The features of each record, in the same order."""

    feature_set: str
    version: int
    rows: list[dict[str, Any]]
