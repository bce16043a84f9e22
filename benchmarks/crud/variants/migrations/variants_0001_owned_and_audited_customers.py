"""owned and audited customers

Revision ID: variants_0001
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from foretell.core.db import UtcDateTime

revision: str = "variants_0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = ("variants",)
depends_on: str | Sequence[str] | None = "0001"


def upgrade() -> None:
    op.create_table(
        "audited_customers",
        sa.Column(
            "id",
            sa.String(length=36).with_variant(
                sa.String(length=36, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column(
            "email",
            sa.String(length=255).with_variant(
                sa.String(length=255, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column(
            "name",
            sa.String(length=255).with_variant(
                sa.String(length=255, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column(
            "city",
            sa.String(length=255).with_variant(
                sa.String(length=255, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column(
            "credit",
            sa.Numeric(precision=12, scale=2).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audited_customers")),
        sa.UniqueConstraint("email", name=op.f("uq_audited_customers_email")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    with op.batch_alter_table("audited_customers", schema=None) as batch_op:
        batch_op.create_index(
            "ix_audited_customers_city_id", ["city", "id"], unique=False
        )

    op.create_table(
        "owned_customers",
        sa.Column(
            "id",
            sa.String(length=36).with_variant(
                sa.String(length=36, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column(
            "email",
            sa.String(length=255).with_variant(
                sa.String(length=255, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column(
            "name",
            sa.String(length=255).with_variant(
                sa.String(length=255, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column(
            "city",
            sa.String(length=255).with_variant(
                sa.String(length=255, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column(
            "credit",
            sa.Numeric(precision=12, scale=2).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column(
            "owner_id",
            sa.String(length=36).with_variant(
                sa.String(length=36, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owned_customers")),
        sa.UniqueConstraint("email", name=op.f("uq_owned_customers_email")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    with op.batch_alter_table("owned_customers", schema=None) as batch_op:
        batch_op.create_index(
            "ix_owned_customers_city_id", ["city", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_owned_customers_owner_id"), ["owner_id"], unique=False
        )


def downgrade() -> None:
    op.drop_table("owned_customers")
    op.drop_table("audited_customers")
