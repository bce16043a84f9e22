"""Where a key was last used from, changes of e-mail, and a limit for the whole server.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_used_from", sa.String(64), nullable=True))
    with op.batch_alter_table("one_time_codes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("email", sa.String(254), nullable=True))
    op.create_index(op.f("ix_failed_tries_latest"), "failed_tries", ["subject", "at"])
    op.drop_index(op.f("ix_failed_tries_subject"), "failed_tries")


def downgrade() -> None:
    op.create_index(op.f("ix_failed_tries_subject"), "failed_tries", ["subject"])
    op.drop_index(op.f("ix_failed_tries_latest"), "failed_tries")
    with op.batch_alter_table("one_time_codes", schema=None) as batch_op:
        batch_op.drop_column("email")
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_column("last_used_from")
