"""Statements on accounts and on what surrounds them: codes, failures, audit, keys.

Rows that are checked and then changed are read `FOR UPDATE`, and that read comes
first: on MySQL a plain read would fix the snapshot and hide what another request
commits meanwhile.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Result, delete, event, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.tables import (
    AuditEntry,
    AuthEpoch,
    FailedTry,
    OneTimeCode,
    SigningKey,
    User,
)
from foretell.core.db import is_unique_violation
from foretell.core.ids import new_id
from foretell.core.principal import Role

_EPOCH_ROW = 1


def changed_rows(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE met."""
    return cast("CursorResult[Any]", result).rowcount


class UserStore:
    """Accounts."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, user: User) -> bool:
        """Add an account; `False` when its e-mail is taken. The database decides,
        since two requests can look at the same moment."""
        try:
            async with self._session.begin_nested():
                self._session.add(user)
                await self._session.flush()
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            return False
        return True

    async def find(self, user_id: str) -> User | None:
        return await self._session.get(User, user_id)

    async def find_locked(self, user_id: str) -> User | None:
        """The account, held until the transaction ends."""
        statement = select(User).where(User.id == user_id).with_for_update()
        return await self._one(statement.execution_options(populate_existing=True))

    async def find_by_email_key(self, key: str) -> User | None:
        return await self._one(select(User).where(User.email_key == key))

    async def move(self, user: User, email: str, key: str) -> bool:
        """Give an account another e-mail; `False` when somebody else has it."""
        try:
            async with self._session.begin_nested():
                user.email, user.email_key = email, key
                await self._session.flush()
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            return False
        return True

    async def list_page(self, *, after: str | None, limit: int) -> list[User]:
        """Up to `limit` accounts in the order they were made, after id `after`."""
        statement = select(User).order_by(User.id).limit(limit)
        if after is not None:
            statement = statement.where(User.id > after)
        return list(await self._session.scalars(statement))

    async def find_all(self, *, ids: Sequence[str], keys: Sequence[str]) -> list[User]:
        """The accounts with one of these ids or e-mail keys."""
        statement = select(User).where(or_(User.id.in_(ids), User.email_key.in_(keys)))
        return list(await self._session.scalars(statement))

    async def active_admins(self) -> list[str]:
        """Ids of the admins who can sign in, held until the transaction ends."""
        statement = (
            select(User.id)
            .where(User.role == Role.ADMIN, User.disabled.is_(False))
            .order_by(User.id)
            .with_for_update()
        )
        return list(await self._session.scalars(statement))

    async def has_admin(self) -> bool:
        statement = select(User.id).where(User.role == Role.ADMIN).limit(1)
        return await self._session.scalar(statement) is not None

    async def flush(self) -> None:
        await self._session.flush()

    async def delete(self, user: User) -> None:
        await self._session.execute(delete(User).where(User.id == user.id))
        self._session.expunge(user)

    async def _one(self, statement: Any) -> User | None:
        found: User | None = (await self._session.scalars(statement)).one_or_none()
        return found


class CodeStore:
    """Setup codes and password resets."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self,
        digest: str,
        *,
        purpose: str,
        user_id: str | None,
        expires_at: datetime,
        email: str | None = None,
    ) -> None:
        self._session.add(
            OneTimeCode(
                digest=digest,
                purpose=purpose,
                user_id=user_id,
                email=email,
                expires_at=expires_at,
            )
        )
        await self._session.flush()

    async def is_open(self, purpose: str, user_id: str, *, now: datetime) -> bool:
        """Whether a user has a code of a purpose that has not been used."""
        statement = select(OneTimeCode.digest).where(
            OneTimeCode.purpose == purpose,
            OneTimeCode.user_id == user_id,
            OneTimeCode.expires_at > now,
        )
        return await self._session.scalar(statement.limit(1)) is not None

    async def find(self, digest: str, *, now: datetime) -> OneTimeCode | None:
        """The code, held until the transaction ends, if it has not expired."""
        statement = (
            select(OneTimeCode)
            .where(OneTimeCode.digest == digest, OneTimeCode.expires_at > now)
            .with_for_update()
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def use(self, digest: str) -> bool:
        """Take the code away; `False` when somebody else just did."""
        statement = delete(OneTimeCode).where(OneTimeCode.digest == digest)
        return changed_rows(await self._session.execute(statement)) == 1

    async def forget(self, purpose: str, user_id: str | None) -> None:
        """Take away all codes of one purpose and user."""
        mine = (
            OneTimeCode.user_id.is_(None)
            if user_id is None
            else OneTimeCode.user_id == user_id
        )
        await self._session.execute(
            delete(OneTimeCode).where(OneTimeCode.purpose == purpose, mine)
        )

    async def purge(self, now: datetime) -> None:
        await self._session.execute(
            delete(OneTimeCode).where(OneTimeCode.expires_at <= now)
        )


class FailureStore:
    """Failed tries, counted by the throttle."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, subjects: Sequence[str], at: datetime) -> None:
        self._session.add_all(
            FailedTry(id=new_id(), subject=subject, at=at) for subject in subjects
        )
        await self._session.flush()

    async def recent(
        self, subject: str, *, since: datetime, limit: int
    ) -> list[datetime]:
        """Times of the latest failures, newest first."""
        statement = (
            select(FailedTry.at)
            .where(FailedTry.subject == subject, FailedTry.at > since)
            .order_by(FailedTry.at.desc())
            .limit(limit)
        )
        return list(await self._session.scalars(statement))

    async def forget(self, subject: str) -> None:
        await self._session.execute(
            delete(FailedTry).where(FailedTry.subject == subject)
        )

    async def purge(self, before: datetime) -> None:
        await self._session.execute(delete(FailedTry).where(FailedTry.at < before))


class AuditStore:
    """The audit log: rows are added and read, never changed."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, entry: AuditEntry) -> None:
        self._session.add(entry)
        await self._session.flush()

    async def find_latest(self, action: str) -> AuditEntry | None:
        """The newest entry of one action."""
        statement = select(AuditEntry).where(AuditEntry.action == action)
        newest = statement.order_by(AuditEntry.id.desc()).limit(1)
        return (await self._session.scalars(newest)).one_or_none()

    async def list_page(
        self,
        *,
        before: str | None,
        limit: int,
        actor_id: str | None,
        action: str | None,
        object_id: str | None,
    ) -> list[AuditEntry]:
        """Up to `limit` entries, newest first, older than the entry `before`."""
        statement = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(AuditEntry.id < before)
        if actor_id is not None:
            statement = statement.where(AuditEntry.actor_id == actor_id)
        if action is not None:
            statement = statement.where(AuditEntry.action == action)
        if object_id is not None:
            statement = statement.where(AuditEntry.object_id == object_id)
        return list(await self._session.scalars(statement))


class EpochStore:
    """The number that rises whenever a grant is taken back."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def read(self) -> int:
        statement = select(AuthEpoch.value).where(AuthEpoch.id == _EPOCH_ROW)
        return await self._session.scalar(statement) or 0

    async def bump(self, after_commit: Callable[[], None]) -> None:
        """Raise the number; this process hears at once, when the change is real."""
        if not await self._raise():
            await self._start()
        event.listen(
            self._session.sync_session,
            "after_commit",
            lambda _: after_commit(),
            once=True,
        )

    async def _raise(self) -> bool:
        statement = (
            update(AuthEpoch)
            .where(AuthEpoch.id == _EPOCH_ROW)
            .values(value=AuthEpoch.value + 1)
        )
        return changed_rows(await self._session.execute(statement)) == 1

    async def _start(self) -> None:
        try:
            async with self._session.begin_nested():
                self._session.add(AuthEpoch(id=_EPOCH_ROW, value=1))
                await self._session.flush()
        except IntegrityError:
            await self._raise()


class SigningKeyStore:
    """Key pairs of access tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_all(self) -> list[SigningKey]:
        """All keys, oldest first."""
        statement = select(SigningKey).order_by(SigningKey.created_at, SigningKey.kid)
        return list(await self._session.scalars(statement))

    async def delete(self, kid: str) -> None:
        await self._session.execute(delete(SigningKey).where(SigningKey.kid == kid))

    async def add(
        self, kid: str, *, public_pem: str, sealed_private: str, now: datetime
    ) -> None:
        self._session.add(
            SigningKey(
                kid=kid,
                public_pem=public_pem,
                sealed_private=sealed_private,
                created_at=now,
            )
        )
        await self._session.flush()
