"""People whom the application around Foretell has signed in already.

The host says who calls; here an account stands for each of them, because objects have
owners, jobs run with their owner's rights, and the audit log names somebody. The
account belongs to the host's id and not to an e-mail, which people change and hosts
do not always check.
"""

import hashlib
import secrets
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from foretell.auth.audit import Actor
from foretell.auth.emails import checked_email, email_key
from foretell.auth.errors import LastAdmin
from foretell.auth.passwords import PasswordHasher
from foretell.auth.service import Accounts, UserChange, cli_principal
from foretell.auth.store import UserStore
from foretell.auth.tables import User
from foretell.auth.work import Work
from foretell.core.logs import get_logger
from foretell.core.principal import Role
from foretell.errors import Forbidden, Invalid

log = get_logger("foretell.auth")


@dataclass(frozen=True, slots=True)
class HostUser:
    """Somebody whom the host has signed in.

    Attributes:
        id: The host's own id of them, which it never gives to anybody else.
        email: Theirs; unique among the accounts of Foretell.
        role: What they may do here, kept in step at each request; `None` leaves it to
            the admins of Foretell, who find a viewer.
        has_proven_email: Whether the host has made sure that the e-mail is theirs. Only
            then do they get an account of Foretell that has it already.
    """

    id: str
    email: str
    name: str = ""
    role: Role | None = None
    has_proven_email: bool = False


Ask = Callable[[], Awaitable[HostUser | None]]
asking: ContextVar[Ask | None] = ContextVar("foretell_host_user", default=None)
"""How to learn whom the host has signed in; `foretell.mount` sets it for a request."""


class HostUserRefused(Forbidden):
    """The host says who calls, and no account can stand for them."""

    slug = "host-user-refused"


def host_user_id(host_id: str) -> str:
    """The id of the account that stands for somebody of the host: a UUID made of
    theirs (RFC 9562, version 8), so that no table has to remember which is whose."""
    digest = hashlib.sha256(b"foretell host user\0" + host_id.encode()).digest()
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    return str(uuid.UUID(int=number & ~(3 << 62) | 2 << 62))


class HostAccounts:
    """The accounts of the host's people in one transaction."""

    def __init__(self, work: Work, accounts: Accounts) -> None:
        self._work = work
        self._accounts = accounts

    async def keep(self, who: HostUser, password_hash: str) -> User:
        """The account of `who`, made or brought in step.

        Args:
            password_hash: Of a password that nobody knows, for a new account.

        Raises:
            EmailUnfit: The e-mail is none.
            HostUserRefused: It belongs to another account.
        """
        user = await self._find(who) or await self._add(who, password_hash)
        await self._keep_in_step(user, who)
        return user

    async def _find(self, who: HostUser) -> User | None:
        user = await self._work.users.find_locked(host_user_id(who.id))
        if user is not None:
            return user
        other = await self._work.users.find_by_email_key(email_key(who.email))
        if other is None:
            return None
        if not who.has_proven_email:
            raise HostUserRefused(
                "An account that is not the host's has your e-mail; an admin may give "
                "that account another one, or the host prove that the e-mail is yours."
            )
        return other

    async def _add(self, who: HostUser, password_hash: str) -> User:
        now = self._work.clock.now()
        user = User(
            id=host_user_id(who.id),
            email=checked_email(who.email),
            email_key=email_key(who.email),
            name=who.name[:255],
            role=str(who.role or Role.VIEWER),
            password_hash=password_hash,
            disabled=False,
            token_version=1,
            revision=1,
            created_at=now,
            updated_at=now,
        )
        if not await self._work.users.add(user):
            # Another request of theirs was quicker.
            found = await self._find(who)
            if found is None:
                raise HostUserRefused("The account was changed meanwhile; try again.")
            return found
        await self._work.audit.record(
            "user.create",
            Actor(None, "host", "host"),
            kind="user",
            object_id=user.id,
            email=user.email,
            role=user.role,
        )
        return user

    async def _keep_in_step(self, user: User, who: HostUser) -> None:
        everything = cli_principal(self._work.options.permissions)
        host = replace(everything, email="host", method="host")
        change = UserChange(name=who.name[:255] or None, role=who.role)
        try:
            await self._accounts.change(host, user.id, change)
        except LastAdmin:
            log.warning("auth.last_admin_kept", user=user.id)


def is_in_step(user: User, who: HostUser) -> bool:
    """Whether nothing about the account has to change."""
    has_name = who.name[:255] in ("", user.name)
    return has_name and (who.role is None or user.role == who.role)


class HostPeople:
    """Finds the account of whoever the host names.

    Args:
        reading: Opens a short read of accounts.
        keeping: Opens a transaction with the accounts in it.
    """

    def __init__(
        self,
        *,
        reading: Callable[[], AbstractAsyncContextManager[UserStore]],
        keeping: Callable[[], AbstractAsyncContextManager[HostAccounts]],
        passwords: PasswordHasher,
    ) -> None:
        self._reading = reading
        self._keeping = keeping
        self._passwords = passwords

    async def account_of(self, who: HostUser) -> User:
        """The account that stands for `who`; made at their first request.

        Raises:
            HostUserRefused: None can.
        """
        try:
            user = await self._find(who)
            if user is not None and is_in_step(user, who):
                return user
            # Before the transaction, which waits for no hash. They have no password
            # until they set one by mail.
            unknown = await self._passwords.hash(secrets.token_urlsafe(32))
            async with self._keeping() as accounts:
                return await accounts.keep(who, unknown)
        except Invalid as error:
            log.warning("auth.host_user_unfit", reason=error.detail)
            raise HostUserRefused(
                f"The host named you in a way that will not do: {error.detail}"
            ) from error

    async def _find(self, who: HostUser) -> User | None:
        key = email_key(who.email)
        async with self._reading() as users:
            user = await users.find(host_user_id(who.id))
            if user is None and who.has_proven_email:
                user = await users.find_by_email_key(key)
        return user
