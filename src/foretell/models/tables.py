"""Tables of trained models: names, immutable versions, movable aliases.

One row (`models_epoch`) is raised by every change that a prediction could see. Its
lock makes such changes one after the other, so their order is the order of their
commits, and a reader that knows the last value knows by one small read whether
anything changed.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from foretell.auth.ownership import Owned
from foretell.core.db import Base, LongText, table_options

ID = String(36)
DIGEST = String(64)


def _model_id() -> Mapped[str]:
    return mapped_column(ID, ForeignKey("models.id", ondelete="CASCADE"))


class Model(Owned, Base):
    """A named predictor.

    Attributes:
        latest: The highest version number given; 0 before the first. Numbers have no
            gaps, so every number from 1 to it is a version.
        stamp: The epoch of its last change that a prediction could see.
        revision: Raised by every change; the ETag.
        traffic: How calls that name no version are split: `routes` of version and
            weight, and `shadow`, a list of versions.
    """

    __tablename__ = "models"
    __table_args__ = table_options()

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    description: Mapped[str] = mapped_column(LongText, default="")
    latest: Mapped[int] = mapped_column(Integer, default=0)
    stamp: Mapped[int] = mapped_column(BigInteger, default=0)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    traffic: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ModelVersion(Base):
    """One published artifact with all that was found out about it; never changes.

    Attributes:
        spec: What opens the engine's file again (`ports.EngineSpec`).
        safety: The verdict of the gate.
        is_trusted: Somebody with `models:trust` vouched for its unknown classes.
        features: The feature set that makes the inputs of raw records, as it was at the
            upload (`ports.BoundFeatures`).
        twin_key: Blob of the file that the engine opens; none for `native`.
        one_row_us, hundred_rows_us: Median time of one call, in microseconds.
        baseline: What the rows of calls are compared with (`baselines.Baseline`); read
            only when it is asked for.
    """

    __tablename__ = "model_versions"
    __table_args__ = table_options(UniqueConstraint("model_id", "number"))

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    model_id: Mapped[str] = _model_id()
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), default="published")
    flavour: Mapped[str] = mapped_column(String(32))
    engine: Mapped[str] = mapped_column(String(32))
    signature: Mapped[dict[str, Any]] = mapped_column(JSON)
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON)
    libraries: Mapped[dict[str, Any]] = mapped_column(JSON)
    safety: Mapped[dict[str, Any]] = mapped_column(JSON)
    parity: Mapped[dict[str, Any]] = mapped_column(JSON)
    warnings: Mapped[list[Any]] = mapped_column(JSON)
    features: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    description: Mapped[str] = mapped_column(LongText)
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(DIGEST)
    bytes: Mapped[int] = mapped_column(BigInteger)
    is_trusted: Mapped[bool] = mapped_column(Boolean)
    artifact_key: Mapped[str] = mapped_column(String(255))
    twin_key: Mapped[str | None] = mapped_column(String(255))
    twin_sha256: Mapped[str | None] = mapped_column(DIGEST)
    one_row_us: Mapped[float] = mapped_column(Double)
    hundred_rows_us: Mapped[float] = mapped_column(Double)
    baseline: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), deferred=True
    )
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ID)


class ModelAlias(Base):
    """A movable name of one version."""

    __tablename__ = "model_aliases"
    __table_args__ = table_options(UniqueConstraint("model_id", "name"))

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    model_id: Mapped[str] = _model_id()
    name: Mapped[str] = mapped_column(String(63))
    number: Mapped[int] = mapped_column(Integer)
    moved_at: Mapped[datetime]
    moved_by: Mapped[str] = mapped_column(ID)


class ModelAliasMove(Base):
    """One move of an alias; `number` is empty where it was removed."""

    __tablename__ = "model_alias_moves"
    __table_args__ = table_options()

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    model_id: Mapped[str] = mapped_column(
        ID, ForeignKey("models.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(63))
    previous: Mapped[int | None] = mapped_column(Integer)
    number: Mapped[int | None] = mapped_column(Integer)
    moved_at: Mapped[datetime]
    moved_by: Mapped[str] = mapped_column(ID)


class ModelsEpoch(Base):
    """One row; see the module's head."""

    __tablename__ = "models_epoch"
    __table_args__ = table_options()

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(BigInteger)
