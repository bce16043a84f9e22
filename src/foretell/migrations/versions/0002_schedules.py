"""Schedules and queues; jobs with concurrency keys, expiry and children to wait for.

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from foretell.core.db import UtcDateTime

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "job_queues",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_queues")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("cron", sa.String(length=200), nullable=True),
        sa.Column("every_seconds", sa.Double(), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("overlap", sa.String(length=8), nullable=False),
        sa.Column("catch_up", sa.String(length=8), nullable=False),
        sa.Column("pause", sa.String(length=200), nullable=True),
        sa.Column("anchor", UtcDateTime(), nullable=False),
        sa.Column("next_tick", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("name", name=op.f("uq_schedules_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index(op.f("ix_schedules_next_tick"), "schedules", ["next_tick"])
    op.create_table(
        "schedule_ticks",
        sa.Column("schedule_id", sa.String(length=36), nullable=False),
        sa.Column("tick", UtcDateTime(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("schedule_id", "tick", name=op.f("pk_schedule_ticks")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("schedule_id", sa.String(36), nullable=True))
        batch_op.add_column(sa.Column("concurrency_key", sa.String(200), nullable=True))
        batch_op.add_column(sa.Column("concurrency_limit", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("expires_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("waits_since", UtcDateTime(), nullable=True))
        for name in ("schedule_id", "concurrency_key"):
            batch_op.create_index(batch_op.f(f"ix_jobs_{name}_state"), [name, "state"])


def downgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        for name in ("schedule_id", "concurrency_key"):
            batch_op.drop_index(batch_op.f(f"ix_jobs_{name}_state"))
        for name in (
            "waits_since",
            "expires_at",
            "concurrency_limit",
            "concurrency_key",
            "schedule_id",
        ):
            batch_op.drop_column(name)
    op.drop_table("schedule_ticks")
    op.drop_index(op.f("ix_schedules_next_tick"), "schedules")
    op.drop_table("schedules")
    op.drop_table("job_queues")
