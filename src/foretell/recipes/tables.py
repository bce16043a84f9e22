"""Recipes, their immutable versions, and the runs that follow a dataset by themselves."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foretell.auth.ownership import Owned
from foretell.core.db import Base, table_options


class Recipe(Owned, Base):
    """A named recipe. `revision` is raised by every change and makes the ETag."""

    __tablename__ = "recipes"
    __table_args__ = table_options()

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    description: Mapped[str] = mapped_column(String(2000), default="")
    latest: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class RecipeVersion(Base):
    """Steps and checks as they were written; never changes."""

    __tablename__ = "recipe_versions"
    __table_args__ = table_options(UniqueConstraint("recipe_id", "number"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    recipe_id: Mapped[str] = mapped_column(ForeignKey("recipes.id", ondelete="CASCADE"))
    number: Mapped[int]
    steps: Mapped[list[Any]] = mapped_column(JSON)
    checks: Mapped[list[Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(36))


class AutomaticRun(Base):
    """A recipe that runs on every new version of a dataset, with its owner's rights.

    Attributes:
        recipe_version: The latest one, whichever that is, where empty.
    """

    __tablename__ = "automatic_runs"
    __table_args__ = table_options(UniqueConstraint("dataset_id", "recipe_id"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(
        ForeignKey("datasets.id", ondelete="CASCADE")
    )
    recipe_id: Mapped[str] = mapped_column(ForeignKey("recipes.id", ondelete="CASCADE"))
    recipe_version: Mapped[int | None]
    output: Mapped[str] = mapped_column(String(63), index=True)
    owner_id: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime]
