"""Bodies of the recipe routes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from foretell.core.columns import ColumnType
from foretell.http.schemas import Body, Name, Reading, Text, VersionNumber
from foretell.recipes.recipe import CHECKS_BY_NAME, STEPS

_KINDS = {"step": STEPS, "check": CHECKS_BY_NAME}


def _schema_of(kind: Literal["step", "check"]) -> dict[str, Any]:
    """JSON Schema of one step or check, by its name."""
    models = _KINDS[kind].values()
    found: dict[str, Any] = {
        "type": "object",
        "required": [kind],
        "properties": {kind: {"type": "string"}},
        "anyOf": [model.model_json_schema() for model in models],
    }
    if kind == "step":
        # Steps of extensions bring options of their own.
        own = {"type": "string", "pattern": r"^[a-z0-9_-]+\.\w+$"}
        found["anyOf"].append({"type": "object", "properties": {kind: own}})
    return found


AnyStep = Annotated[dict[str, Any], WithJsonSchema(_schema_of("step"))]
AnyCheck = Annotated[dict[str, Any], WithJsonSchema(_schema_of("check"))]


class RecipeWrite(Body):
    """Steps in their order, then checks of the rows that come out."""

    steps: list[AnyStep] = Field(default_factory=list)
    checks: list[AnyCheck] = Field(default_factory=list)
    description: Text | None = Field(None, max_length=2_000)


class RecipeRead(Reading):
    """A recipe as one of its versions shows it, the latest by default."""

    name: str
    version: int
    latest: int
    description: str
    steps: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    owner_id: str
    visibility: Literal["private", "everyone"]
    readers: list[str]
    writers: list[str]
    created_at: datetime
    created_by: str


class ShareChange(Body):
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


class RunCreate(Body):
    """Run a recipe on a version of the dataset."""

    recipe: Name
    recipe_version: VersionNumber | None = Field(None, description="Default: latest.")
    version: VersionNumber | None = Field(
        None, description="Of the dataset. Default: current."
    )
    output: Name | None = Field(
        None, description="The dataset that gets the new version. Default: this one."
    )
    automatic: bool = Field(
        False,
        strict=True,
        description="Run again by itself on every new version of the dataset.",
    )


class StepPreview(Reading):
    """What a step did to the sample, with some rows before and after."""

    step: str
    rows_in: int
    rows_out: int
    changed: int
    rejected: int
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]


class CheckPreview(Reading):
    """What a check found in the sample, with some rows that break it."""

    check: str
    column: str | None
    severity: Literal["reject", "warn", "fail"]
    failed: int
    examples: list[dict[str, Any]]


class PreviewColumn(Reading):
    name: str
    type: ColumnType
    nullable: bool


class PreviewRead(Reading):
    """What a run would make of the first 1,000 rows; nothing is stored."""

    columns: list[PreviewColumn]
    rows: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    steps: list[StepPreview]
    checks: list[CheckPreview]
    rows_out: int
    rejected: int


class AutomaticRunRead(Reading):
    """A recipe that runs by itself on every new version of the dataset."""

    recipe: str
    recipe_version: int | None
    output: str
    owner_id: str
    created_at: datetime
