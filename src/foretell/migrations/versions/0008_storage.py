"""What versions of datasets take, for quotas, and when source files were used.

Revision ID: 0008
Revises: 0007
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import sqlalchemy as sa
from alembic import op

from foretell.core.db import UtcDateTime

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_versions = sa.table(
    "dataset_versions",
    sa.column("id", sa.String),
    sa.column("dataset_id", sa.String),
    sa.column("number", sa.BigInteger),
    sa.column("parts", sa.JSON),
    sa.column("source", sa.JSON),
    sa.column("created_at", UtcDateTime()),
    sa.column("stored_bytes", sa.BigInteger),
    sa.column("source_sha256", sa.String),
)
_sources = sa.table(
    "source_files", sa.column("sha256", sa.String), sa.column("used_at", UtcDateTime())
)


def upgrade() -> None:
    op.create_table(
        "source_files",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_source_files")),
        mysql_charset="utf8mb4",
    )
    with op.batch_alter_table("dataset_versions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "stored_bytes", sa.BigInteger(), nullable=False, server_default="0"
            )
        )
        batch_op.add_column(sa.Column("source_sha256", sa.String(length=64)))
    _fill(op.get_bind())
    with op.batch_alter_table("dataset_versions", schema=None) as batch_op:
        batch_op.alter_column(
            "stored_bytes",
            existing_type=sa.BigInteger(),
            existing_nullable=False,
            server_default=None,
        )
        batch_op.create_index(
            batch_op.f("ix_dataset_versions_source_sha256"), ["source_sha256"]
        )


def downgrade() -> None:
    with op.batch_alter_table("dataset_versions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dataset_versions_source_sha256"))
        batch_op.drop_column("source_sha256")
        batch_op.drop_column("stored_bytes")
    op.drop_table("source_files")


def _fill(connection: sa.Connection) -> None:
    """Give the versions that are there what new ones get when they are published."""
    rows = connection.execute(
        sa.select(_versions).order_by(_versions.c.dataset_id, _versions.c.number)
    )
    used: dict[str, datetime] = {}
    for _, versions in groupby(rows.all(), lambda row: row.dataset_id):
        shared: set[str] = set()
        for row in versions:
            added = sum(p["bytes"] for p in row.parts if p["key"] not in shared)
            shared = {part["key"] for part in row.parts}
            sha256 = row.source.get("sha256")
            if sha256 is not None:
                added += row.source.get("bytes", 0)
                used[sha256] = max(row.created_at, used.get(sha256, row.created_at))
            connection.execute(
                sa.update(_versions)
                .where(_versions.c.id == row.id)
                .values(stored_bytes=added, source_sha256=sha256)
            )
    if used:
        found = [{"sha256": sha256, "used_at": at} for sha256, at in used.items()]
        connection.execute(sa.insert(_sources), found)
