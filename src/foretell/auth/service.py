"""Accounts: made, read, changed, deleted."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from foretell.auth.audit import Actor
from foretell.auth.emails import checked_email, email_key, find_email_key
from foretell.auth.errors import (
    EmailTaken,
    LastAdmin,
    RoleTooWide,
    SetupCodeWrong,
    SignUpClosed,
    UserChanged,
    UserNotFound,
)
from foretell.auth.password_rules import check_new_password
from foretell.auth.passwords import PasswordHasher
from foretell.auth.tables import User
from foretell.auth.work import Glance, Work
from foretell.core.ids import new_id
from foretell.core.pagination import Page
from foretell.core.permissions import Permissions
from foretell.core.principal import Principal, Role, Scope
from foretell.errors import FieldError, ForetellError, Invalid, Unauthenticated


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account to be made. Its password is never logged or shown."""

    email: str
    password: str
    name: str
    role: Role | None = None

    def __repr__(self) -> str:
        return f"NewUser(email={self.email!r}, role={self.role!r})"


@dataclass(frozen=True, slots=True)
class UserChange:
    """What changes about an account; `None` leaves a field as it is."""

    name: str | None = None
    role: Role | None = None
    disabled: bool | None = None


class PersonUnknown(Invalid):
    """A reader or writer who has no account."""

    slug = "person-unknown"

    def __init__(self, pointers: list[str]) -> None:
        words = "There is no account with this id or e-mail."
        super().__init__(
            words, errors=[FieldError(p, words, "unknown") for p in pointers]
        )


class Accounts:
    """What can be done with accounts."""

    def __init__(self, work: Work, glance: Glance, passwords: PasswordHasher) -> None:
        self._work = work
        self._glance = glance
        self._passwords = passwords

    async def create(self, by: Principal, new: NewUser) -> User:
        """Make an account for somebody; a viewer's unless a role is given.

        Raises:
            EmailUnfit, PasswordUnfit: The e-mail or the password will not do.
            EmailTaken: There is one with this e-mail.
            RoleTooWide: The role may do more than the caller's credential.
        """
        role = new.role or Role.VIEWER
        self._ensure_may_give(by, role)
        user = await self._prepare(new, role)
        if not await self._work.users.add(user):
            raise EmailTaken
        await self._recorded("user.create", by, user, role=str(role))
        return user

    async def sign_up(self, new: NewUser) -> User | ForetellError:
        """Make an account for oneself, where the server lets strangers.

        Returns:
            The user, or the refusal as a value. Both count against the address:
            nobody makes accounts without limit, or asks without limit who has one.
        """
        if not self._work.options.is_signup_open:
            raise Unauthenticated("Sign in; this server does not take sign-ups.")
        if new.role not in (None, Role.VIEWER):
            raise SignUpClosed
        address = f"sign-up|{self._work.origin.address}"
        async with self._glance() as look:
            refusal = await look.throttle.refusal("", address)
        if refusal is not None:
            return refusal
        user = await self._prepare(new, Role.VIEWER)
        is_new = await self._work.users.add(user)
        await self._work.throttle.count("", address)
        if not is_new:
            return EmailTaken()
        await self._recorded("user.sign-up", Actor.of(user, "sign-up"), user)
        return user

    async def create_local(self, new: NewUser) -> User:
        """Make an account from the command line: without a role, the first one is
        an admin's and others are viewers'."""
        role = new.role
        if role is None:
            async with self._glance() as look:
                role = Role.VIEWER if await look.users.has_admin() else Role.ADMIN
        return await self.create(self._cli(), replace(new, role=role))

    async def create_first(
        self, new: NewUser, claim: Callable[[], Awaitable[bool]]
    ) -> User:
        """Make the first admin, in the transaction that uses up the setup code.

        Raises:
            SetupCodeWrong: Somebody else has just used it.
        """
        user = await self._prepare(new, Role.ADMIN)
        if not await claim():
            raise SetupCodeWrong
        if not await self._work.users.add(user):
            raise EmailTaken
        await self._recorded("setup", Actor.of(user, "setup"), user)
        return user

    async def get(self, user_id: str) -> User:
        user = await self._work.users.find(user_id)
        if user is None:
            raise UserNotFound
        return user

    async def get_visible(self, principal: Principal, user_id: str) -> User:
        """An account that the caller may know of: their own, and with `users:read`
        any.

        Raises:
            UserNotFound: There is none; or there is one that is not to be seen.
        """
        if user_id != principal.user_id and not principal.may(Scope.USERS_READ):
            raise UserNotFound
        return await self.get(user_id)

    async def get_by_email(self, email: str) -> User:
        user = await self._work.users.find_by_email_key(find_email_key(email) or "")
        if user is None:
            raise UserNotFound
        return user

    async def list_page(self, *, cursor: str | None, limit: int) -> Page[User]:
        """Accounts in the order they were made."""
        cursors = self._work.cursors
        rows = await self._work.users.list_page(
            after=cursors.decode("users", cursor) if cursor else None, limit=limit + 1
        )
        return cursors.page("users", rows, limit, lambda user: user.id)

    async def change(
        self,
        by: Principal,
        user_id: str,
        change: UserChange,
        *,
        revision: int | None = None,
    ) -> User:
        """Change an account. A new role or a disabled account acts within a second.

        Args:
            revision: The state that the caller has read (`If-Match`).

        Raises:
            UserChanged: The account is in another state.
            LastAdmin: Nobody could administer the server any more.
        """
        takes_admin = change.disabled is True or change.role not in (None, Role.ADMIN)
        admins = await self._work.users.active_admins() if takes_admin else []
        user = await self._work.users.find_locked(user_id)
        if user is None:
            raise UserNotFound
        if revision is not None and revision != user.revision:
            raise UserChanged
        if user.id != by.user_id:
            self._ensure_may_give(by, Role(user.role))
        if change.role is not None and change.role != user.role:
            self._ensure_may_give(by, change.role)
        if takes_admin and admins == [user.id]:
            raise LastAdmin
        await self._apply(by, user, change)
        return user

    async def delete(self, by: Principal, user_id: str) -> None:
        """Delete an account with its keys and sessions. What it owned stays, and is
        seen by admins alone unless it was shared."""
        admins = await self._work.users.active_admins()
        user = await self._work.users.find_locked(user_id)
        if user is None:
            raise UserNotFound
        if admins == [user.id]:
            raise LastAdmin
        self._ensure_may_give(by, Role(user.role))
        await self._work.users.delete(user)
        await self._work.withdraw()
        await self._recorded("user.delete", by, user)

    async def resolve_people(self, people: list[str], pointer: str) -> list[str]:
        """User ids of people named by id or by e-mail, for `readers` and `writers`.

        Raises:
            PersonUnknown: Somebody has no account; each is pointed at.
        """
        keys = [find_email_key(person) if "@" in person else None for person in people]
        found = await self._work.users.find_all(
            ids=[p for p, key in zip(people, keys, strict=True) if key is None],
            keys=[key for key in keys if key is not None],
        )
        known = {user.id: user.id for user in found}
        known |= {user.email_key: user.id for user in found}
        ids = [known.get(key or p) for p, key in zip(people, keys, strict=True)]
        missing = [f"{pointer}/{n}" for n, user_id in enumerate(ids) if user_id is None]
        if missing:
            raise PersonUnknown(missing)
        return list(dict.fromkeys(user_id for user_id in ids if user_id is not None))

    def _cli(self) -> Principal:
        return cli_principal(self._work.options.permissions)

    def _ensure_may_give(self, by: Principal, role: Role) -> None:
        """Refuse to hand out, or take from, a role that may do more than the caller:
        a key with `users:write` alone must not make an admin."""
        if role is Role.VIEWER:
            return
        given = self._work.options.permissions.scopes_of(role)
        if not all(by.may(scope) for scope in given):
            raise RoleTooWide(str(role))

    async def _prepare(self, new: NewUser, role: Role) -> User:
        """A row with a hashed password; done before the transaction has begun."""
        email = checked_email(new.email)
        minimum = self._work.options.password_min
        check_new_password(new.password, minimum=minimum, email=email)
        password_hash = await self._passwords.hash(new.password)
        now = self._work.clock.now()
        return User(
            id=new_id(),
            email=email,
            email_key=email_key(email),
            name=new.name,
            role=str(role),
            password_hash=password_hash,
            disabled=False,
            token_version=1,
            revision=1,
            created_at=now,
            updated_at=now,
        )

    async def _apply(self, by: Principal, user: User, change: UserChange) -> None:
        wanted = {"name": change.name, "role": change.role, "disabled": change.disabled}
        changed = {
            field: str(value) if field == "role" else value
            for field, value in wanted.items()
            if value is not None and getattr(user, field) != value
        }
        if not changed:
            return
        for field, value in changed.items():
            setattr(user, field, value)
        user.revision += 1
        user.updated_at = self._work.clock.now()
        await self._work.users.flush()
        if change.disabled:
            user.token_version += 1
            await self._work.end_sign_ins(user.id)
        elif "role" in changed or "disabled" in changed:
            await self._work.withdraw()
        await self._recorded("user.change", by, user, changed=changed)

    async def _recorded(
        self, action: str, by: Principal | Actor, user: User, **detail: Any
    ) -> None:
        await self._work.audit.record(
            action, by, kind="user", object_id=user.id, email=user.email, **detail
        )


def cli_principal(permissions: Permissions | None = None) -> Principal:
    """Whoever has the data directory: the command line on the server itself."""
    scopes = (permissions or Permissions()).scopes_of(Role.ADMIN)
    return Principal("", "cli", Role.ADMIN, scopes, "cli")
