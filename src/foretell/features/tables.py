"""Feature sets and their immutable versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foretell.auth.ownership import Owned
from foretell.core.db import Base, table_options


class FeatureSet(Owned, Base):
    """A named feature set. `revision` is raised by every change and makes the ETag."""

    __tablename__ = "feature_sets"
    __table_args__ = table_options()

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    description: Mapped[str] = mapped_column(String(2000), default="")
    latest: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class FeatureSetVersion(Base):
    """Features and declared inputs as they were written; never changes."""

    __tablename__ = "feature_set_versions"
    __table_args__ = table_options(UniqueConstraint("feature_set_id", "number"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    feature_set_id: Mapped[str] = mapped_column(
        ForeignKey("feature_sets.id", ondelete="CASCADE")
    )
    number: Mapped[int]
    features: Mapped[list[Any]] = mapped_column(JSON)
    inputs: Mapped[list[Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(36))
