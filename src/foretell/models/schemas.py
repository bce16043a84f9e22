"""Bodies of the models routes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from foretell.http.schemas import Body, ListOf, Name, Reading, Text, VersionNumber

MetricValue = bool | int | float | str | None


class ModelWrite(Body):
    """What may be said about a model when it is made."""

    description: Text | None = None


class ModelChange(Body):
    """What may change about a model. Left out: stays."""

    description: Text | None = None
    visibility: Literal["private", "everyone"] | None = None
    readers: list[str] | None = Field(
        None, max_length=1000, description="Users (id or e-mail) who may see it."
    )
    writers: list[str] | None = Field(
        None, max_length=1000, description="Users (id or e-mail) who may change it."
    )


class AliasWrite(Body):
    """Where an alias shall point."""

    version: VersionNumber | Name = Field(
        description="A number, another alias or `latest` (as it stands now)."
    )


class Route(Body):
    """A version's share of the calls that name none."""

    version: VersionNumber | Name = Field(
        description="A number, an alias or `latest` (as it stands now)."
    )
    weight: Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class TrafficWrite(Body):
    """Which versions answer calls that name none, and which score them unseen."""

    routes: list[Route] = Field([], max_length=100)
    shadow: list[VersionNumber | Name] = Field([], max_length=10)


class RouteRead(Reading):
    version: int
    weight: int


class TrafficRead(Reading):
    """The split. Without routes the champion answers, else the latest version."""

    routes: list[RouteRead]
    shadow: list[int]


class AliasRead(Reading):
    alias: str
    version: int
    moved_at: datetime
    moved_by: str


class AliasMoveRead(Reading):
    """One move; `version` is null where the alias was removed."""

    version: int | None
    previous: int | None
    at: datetime
    by: str


class AliasHistory(Reading):
    """An alias and where it pointed before, newest move first."""

    alias: str
    version: int | None
    history: list[AliasMoveRead]
    next: str | None = None


class ModelRead(Reading):
    """A model. `latest` is its highest version number, null before the first."""

    name: str
    description: str
    latest: int | None
    default: int | None = Field(
        description="The version that answers when none is named: champion or latest."
    )
    aliases: dict[str, int]
    traffic: TrafficRead | None = Field(
        None, description="The split of calls that name no version, if there is one."
    )
    visibility: str
    readers: list[str]
    writers: list[str]
    owner: str
    created_at: datetime
    updated_at: datetime


class InputRead(Reading):
    name: str
    type: str
    nullable: bool = False
    values: list[Any] | None = None
    closed: bool = False
    min: float | None = None
    max: float | None = None


class OutputRead(Reading):
    name: str
    type: str
    values: list[Any] | None = None
    size: int | None = None


class SignatureRead(Reading):
    """Typed inputs, in the model's order, and outputs."""

    inputs: list[InputRead]
    outputs: list[OutputRead]


class ModelVersionRead(Reading):
    """One immutable version of a model."""

    model: str
    version: int
    flavour: str
    engine: str
    signature: SignatureRead
    aliases: list[str]
    metrics: dict[str, Any]
    libraries: dict[str, Any]
    safety: dict[str, Any]
    parity: dict[str, Any]
    warnings: list[str]
    features: dict[str, Any] | None = Field(
        None, description="The feature set it is bound to, as it was at the upload."
    )
    description: str
    filename: str
    bytes: int
    sha256: str
    trusted: bool
    created_at: datetime
    created_by: str


class DeclaredInput(Body):
    """One input as the uploader names it; the model itself says the rest."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    type: str | None = None
    nullable: bool | None = None


class DeclaredSignature(Body):
    inputs: list[DeclaredInput] = Field(min_length=1, max_length=10_000)
    outputs: list[dict[str, Any]] = Field([], max_length=1000)


class Metadata(Body):
    """The `metadata` part of an upload."""

    flavour: Literal["onnx", "sklearn", "xgboost", "lightgbm"] | None = None
    signature: DeclaredSignature | None = Field(
        None, description="Names of the inputs, where the model has none."
    )
    metrics: dict[str, MetricValue] = Field({}, max_length=1000)
    description: Text = ""
    feature_set: Name | None = Field(
        None, description="Makes the inputs of raw records: predict takes those then."
    )
    engine: Literal["auto", "native", "onnxruntime", "linear"] = "auto"
    tolerance: float = Field(
        1e-6,
        gt=0,
        le=1e-2,
        description="Largest difference at which another engine may answer.",
    )
    trust: bool = Field(
        False, description="Vouch for classes the gate does not know (models:trust)."
    )

    @field_validator("metrics")
    @classmethod
    def _named(cls, metrics: dict[str, MetricValue]) -> dict[str, MetricValue]:
        for name, value in metrics.items():
            if not 0 < len(name) <= 255:
                raise ValueError("a metric's name has 1 to 255 characters")
            if isinstance(value, float) and value - value != 0:
                raise ValueError(f"{name}: not a finite number")
        return metrics


ModelPage = ListOf[ModelRead]
VersionPage = ListOf[ModelVersionRead]
AliasPage = ListOf[AliasRead]
