"""An index for each filter and order of the lists.

Revision ID: 0003
Revises: 0002
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ADDED = (
    ("ix_api_keys_made", "api_keys", ["created_at", "id"]),
    ("ix_audit_log_actor", "audit_log", ["actor_id", "id"]),
    ("ix_audit_log_done", "audit_log", ["action", "id"]),
    ("ix_audit_log_object", "audit_log", ["object_id", "id"]),
    ("ix_jobs_parent", "jobs", ["parent_id", "id"]),
    ("ix_jobs_state", "jobs", ["state", "id"]),
    ("ix_jobs_task", "jobs", ["task", "id"]),
)
_REPLACED = (
    ("ix_audit_log_action", "audit_log", ["action"]),
    ("ix_audit_log_actor_id", "audit_log", ["actor_id"]),
    ("ix_jobs_parent_id", "jobs", ["parent_id"]),
)


def upgrade() -> None:
    for name, table, columns in _ADDED:
        op.create_index(op.f(name), table, columns)
    for name, table, _ in _REPLACED:
        op.drop_index(op.f(name), table)


def downgrade() -> None:
    for name, table, columns in _REPLACED:
        op.create_index(op.f(name), table, columns)
    for name, table, _ in _ADDED:
        op.drop_index(op.f(name), table)
