"""Where used `Idempotency-Key`s are kept."""

from datetime import datetime

from sqlalchemy import String, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from foretell.core.db import Base


class IdempotencyKey(Base):
    """One used key: what its body was and where its work is."""

    __tablename__ = "idempotency_keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    location: Mapped[str] = mapped_column(String(512))
    expires_at: Mapped[datetime] = mapped_column(index=True)


async def find(
    session: AsyncSession, key_id: str, *, now: datetime
) -> IdempotencyKey | None:
    """The key if it was used and has not expired."""
    statement = select(IdempotencyKey).where(
        IdempotencyKey.id == key_id, IdempotencyKey.expires_at > now
    )
    return (await session.scalars(statement)).one_or_none()


async def add(
    session: AsyncSession,
    key_id: str,
    *,
    fingerprint: str,
    status: int,
    location: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store a used key; a taken one fails on its primary key at once."""
    expired = IdempotencyKey.expires_at <= now
    await session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.id == key_id, expired)
    )
    session.add(
        IdempotencyKey(
            id=key_id,
            fingerprint=fingerprint,
            status=status,
            location=location,
            expires_at=expires_at,
        )
    )
    await session.flush()


async def delete_expired(session: AsyncSession, *, now: datetime) -> None:
    """Forget keys whose time is over."""
    await session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.expires_at <= now)
    )
