"""Statements on credentials: refresh families, browser sessions, API keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.store import changed_rows
from foretell.auth.tables import (
    ApiKey,
    BrowserSession,
    RefreshFamily,
    RefreshToken,
    User,
)


class FamilyStore:
    """Refresh families and their tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, row: RefreshFamily | RefreshToken) -> None:
        self._session.add(row)
        await self._session.flush()

    async def find_locked(
        self, digest: str
    ) -> tuple[RefreshToken, RefreshFamily] | None:
        """A token and its family, both held: exchanges of one family queue here."""
        statement = (
            select(RefreshToken, RefreshFamily)
            .join(RefreshFamily, RefreshFamily.id == RefreshToken.family_id)
            .where(RefreshToken.digest == digest)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def find(self, family_id: str) -> RefreshFamily | None:
        return await self._session.get(RefreshFamily, family_id)

    async def list_live(self, user_id: str, *, now: datetime) -> list[RefreshFamily]:
        statement = (
            select(RefreshFamily)
            .where(
                RefreshFamily.user_id == user_id,
                RefreshFamily.revoked_at.is_(None),
                RefreshFamily.expires_at > now,
            )
            .order_by(RefreshFamily.id)
        )
        return list(await self._session.scalars(statement))

    async def revoke(
        self, *, now: datetime, user_id: str, family_id: str | None = None
    ) -> int:
        """End one family of a user, or all; gives how many were live."""
        statement = update(RefreshFamily).where(
            RefreshFamily.user_id == user_id, RefreshFamily.revoked_at.is_(None)
        )
        if family_id is not None:
            statement = statement.where(RefreshFamily.id == family_id)
        return changed_rows(
            await self._session.execute(statement.values(revoked_at=now))
        )

    async def purge(self, now: datetime) -> None:
        await self._session.execute(
            delete(RefreshFamily).where(RefreshFamily.expires_at <= now)
        )


class SessionStore:
    """Browser sessions."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, row: BrowserSession) -> None:
        self._session.add(row)
        await self._session.flush()

    async def find(self, session_id: str) -> BrowserSession | None:
        return await self._session.get(BrowserSession, session_id)

    async def list_live(
        self, user_id: str, *, now: datetime, idle_since: datetime
    ) -> list[BrowserSession]:
        statement = (
            select(BrowserSession)
            .where(
                BrowserSession.user_id == user_id,
                BrowserSession.expires_at > now,
                BrowserSession.last_used_at > idle_since,
            )
            .order_by(BrowserSession.id)
        )
        return list(await self._session.scalars(statement))

    async def delete(
        self,
        *,
        user_id: str,
        session_id: str | None = None,
        keep: str | None = None,
    ) -> int:
        """End one session of a user, or all but `keep`; gives how many."""
        statement = delete(BrowserSession).where(BrowserSession.user_id == user_id)
        if session_id is not None:
            statement = statement.where(BrowserSession.id == session_id)
        if keep is not None:
            statement = statement.where(BrowserSession.id != keep)
        return changed_rows(await self._session.execute(statement))

    async def delete_by_digest(self, digest: str) -> bool:
        statement = delete(BrowserSession).where(BrowserSession.digest == digest)
        return changed_rows(await self._session.execute(statement)) == 1

    async def purge(self, now: datetime) -> None:
        await self._session.execute(
            delete(BrowserSession).where(BrowserSession.expires_at <= now)
        )


class KeyStore:
    """API keys."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, key: ApiKey) -> None:
        self._session.add(key)
        await self._session.flush()

    async def find(self, key_id: str) -> ApiKey | None:
        return await self._session.get(ApiKey, key_id)

    async def list_page(
        self, *, user_id: str | None, after: list[Any] | None, limit: int
    ) -> list[ApiKey]:
        """Up to `limit` keys by age, of one user or of all.

        Args:
            after: Time and id of the last key of the page before.
        """
        statement = select(ApiKey).order_by(ApiKey.created_at, ApiKey.id).limit(limit)
        if user_id is not None:
            statement = statement.where(ApiKey.user_id == user_id)
        if after is not None:
            at, key_id = datetime.fromisoformat(after[0]), after[1]
            later = ApiKey.created_at > at
            same = (ApiKey.created_at == at) & (ApiKey.id > key_id)
            statement = statement.where(or_(later, same))
        return list(await self._session.scalars(statement))

    async def delete(self, key: ApiKey) -> None:
        await self._session.delete(key)
        await self._session.flush()


class LookupStore:
    """What the authenticator reads and writes; each call is one statement."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def user(self, user_id: str) -> User | None:
        return await self._session.get(User, user_id)

    async def family(self, family_id: str) -> tuple[RefreshFamily, User] | None:
        statement = (
            select(RefreshFamily, User)
            .join(User, User.id == RefreshFamily.user_id)
            .where(RefreshFamily.id == family_id)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def key(self, key_id: str) -> tuple[ApiKey, User] | None:
        statement = (
            select(ApiKey, User)
            .join(User, User.id == ApiKey.user_id)
            .where(ApiKey.id == key_id)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def session(self, digest: str) -> tuple[BrowserSession, User] | None:
        statement = (
            select(BrowserSession, User)
            .join(User, User.id == BrowserSession.user_id)
            .where(BrowserSession.digest == digest)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def user_by_email(self, key: str) -> User | None:
        statement = select(User).where(User.email_key == key)
        return (await self._session.scalars(statement)).one_or_none()

    async def touch_key(self, key_id: str, at: datetime, address: str) -> bool:
        """Note when and from where a key was last used; whether it is still there."""
        statement = update(ApiKey).where(ApiKey.id == key_id)
        used = statement.values(last_used_at=at, last_used_from=address)
        return changed_rows(await self._session.execute(used)) == 1

    async def touch_sessions(self, sessions: Mapping[str, datetime]) -> None:
        """Note when browser sessions were last used."""
        for session_id, at in sessions.items():
            await self._session.execute(
                update(BrowserSession)
                .where(BrowserSession.id == session_id)
                .values(last_used_at=at)
            )
