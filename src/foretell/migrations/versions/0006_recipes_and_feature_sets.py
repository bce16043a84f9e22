"""Recipes, their automatic runs, and feature sets.

Revision ID: 0006
Revises: 0005
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from foretell.auth.ownership import UserIds
from foretell.core.db import UtcDateTime

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OPTIONS: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def _named(table: str) -> None:
    """A table of named, owned objects with versions."""
    op.create_table(
        table,
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("latest", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("readers", UserIds(), nullable=False),
        sa.Column("writers", UserIds(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("name", name=op.f(f"uq_{table}_name")),
        **_OPTIONS,
    )
    op.create_index(op.f(f"ix_{table}_owner_id"), table, ["owner_id"])


def _versions(table: str, parent: str, key: str, *content: str) -> None:
    """A table of the versions of `parent`, each with JSON `content`."""
    op.create_table(
        table,
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(key, sa.String(length=36), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in content),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            [key],
            [f"{parent}.id"],
            name=op.f(f"fk_{table}_{key}_{parent}"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(key, "number", name=op.f(f"uq_{table}_{key}_number")),
        **_OPTIONS,
    )


def upgrade() -> None:
    _named("recipes")
    _versions("recipe_versions", "recipes", "recipe_id", "steps", "checks")
    op.create_table(
        "automatic_runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("recipe_id", sa.String(length=36), nullable=False),
        sa.Column("recipe_version", sa.BigInteger(), nullable=True),
        sa.Column("output", sa.String(length=63), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
            name=op.f("fk_automatic_runs_dataset_id_datasets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["recipe_id"],
            ["recipes.id"],
            name=op.f("fk_automatic_runs_recipe_id_recipes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automatic_runs")),
        sa.UniqueConstraint(
            "dataset_id",
            "recipe_id",
            name=op.f("uq_automatic_runs_dataset_id_recipe_id"),
        ),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_automatic_runs_output"), "automatic_runs", ["output"])
    _named("feature_sets")
    _versions(
        "feature_set_versions", "feature_sets", "feature_set_id", "features", "inputs"
    )
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("features", sa.JSON(none_as_null=True), nullable=True)
        )


def downgrade() -> None:
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.drop_column("features")
    for table in (
        "feature_set_versions",
        "feature_sets",
        "automatic_runs",
        "recipe_versions",
        "recipes",
    ):
        op.drop_table(table)
