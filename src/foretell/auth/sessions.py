"""Signed-in browsers, and the list of everything that a user is signed in with."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from foretell.auth import opaque
from foretell.auth.audit import Actor
from foretell.auth.errors import SessionNotFound, SignInNeeded, UserNotFound
from foretell.auth.sign_in import SignIn
from foretell.auth.tables import BrowserSession, RefreshFamily, User
from foretell.auth.work import Work
from foretell.core.ids import new_id
from foretell.core.principal import Principal
from foretell.errors import ForetellError

ABSOLUTE = timedelta(hours=8)
IDLE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new browser session; `cookie` is shown once."""

    cookie: str
    csrf_token: str
    user: User
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedInWith:
    """One way in which a user is signed in: a browser, or a refresh family."""

    id: str
    kind: Literal["browser", "token"]
    address: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


class Sessions:
    """Opens, lists and ends sign-ins."""

    def __init__(self, work: Work, sign_in: SignIn) -> None:
        self._work = work
        self._sign_in = sign_in

    async def open(
        self, email: str, password: str, *, previous: str | None = None
    ) -> OpenedSession | ForetellError:
        """Sign a browser in; a refusal comes as a value.

        Args:
            previous: The browser's old cookie; its session ends, and the new one
                shares nothing with it (no fixation).
        """
        user = await self._sign_in.check(email, password, method="session")
        if isinstance(user, ForetellError):
            return user
        if previous is not None:
            await self._replace(opaque.digest(previous))
        cookie, now = opaque.new_secret(), self._work.clock.now()
        row = BrowserSession(
            id=new_id(),
            user_id=user.id,
            digest=opaque.digest(cookie),
            address=self._work.origin.address[:64],
            user_agent=self._work.origin.user_agent[:255],
            created_at=now,
            last_used_at=now,
            expires_at=now + ABSOLUTE,
        )
        await self._work.sessions.add(row)
        await self._work.audit.record(
            "sign-in", Actor.of(user, "session"), kind="user", object_id=user.id
        )
        csrf = csrf_token(self._work.derived.csrf, row.id)
        return OpenedSession(cookie, csrf, user, row.expires_at)

    async def close(self, principal: Principal) -> None:
        """End the sign-in that the request came with. A key has none to end."""
        sid = principal.credential_id
        if principal.method not in ("session", "token") or not sid:
            raise SessionNotFound
        await self._end(principal.user_id, sid)
        await self._work.audit.record(
            "sign-out", principal, kind="session", object_id=sid
        )

    async def list_own(self, principal: Principal) -> list[SignedInWith]:
        """All live sign-ins of the caller, oldest first."""
        now, user_id = self._work.clock.now(), principal.user_id
        browsers = await self._work.sessions.list_live(
            user_id, now=now, idle_since=now - IDLE
        )
        families = await self._work.families.list_live(user_id, now=now)
        views = [_view(row, "browser", principal) for row in browsers]
        views += [_view(row, "token", principal) for row in families]
        return sorted(views, key=lambda view: view.created_at)

    async def end_own(self, principal: Principal, session_id: str) -> None:
        """End one sign-in of the caller."""
        ensure_signed_in(principal)
        if not await self._end(principal.user_id, session_id):
            raise SessionNotFound
        await self._work.audit.record(
            "session.end", principal, kind="session", object_id=session_id
        )

    async def end_own_all(self, principal: Principal) -> None:
        """End all sign-ins of the caller."""
        ensure_signed_in(principal)
        await self.end_all(principal, principal.user_id)

    async def end_all(self, principal: Principal, user_id: str) -> None:
        """End all sign-ins of a user: the access tokens too, not the API keys."""
        user = await self._work.users.find_locked(user_id)
        if user is None:
            raise UserNotFound
        # Tokens without a sign-in know no session, only this number.
        user.token_version += 1
        await self._work.users.flush()
        await self._work.end_sign_ins(user_id)
        await self._work.audit.record(
            "sessions.end", principal, kind="user", object_id=user_id
        )

    async def renew(self, principal: Principal) -> str:
        """A new cookie for the caller's browser session; the old one is dead."""
        row = await self._work.sessions.find(principal.credential_id)
        if row is None:
            raise SessionNotFound
        cookie = opaque.new_secret()
        row.digest = opaque.digest(cookie)
        await self._work.users.flush()
        await self._work.withdraw()
        return cookie

    def csrf_of(self, principal: Principal) -> str | None:
        """The CSRF token of a caller with a cookie, ours or the host's."""
        if principal.method not in ("session", "host"):
            return None
        return csrf_token(self._work.derived.csrf, principal.credential_id)

    async def _replace(self, digest: str) -> None:
        if await self._work.sessions.delete_by_digest(digest):
            await self._work.withdraw()

    async def _end(self, user_id: str, session_id: str) -> bool:
        ended = await self._work.sessions.delete(user_id=user_id, session_id=session_id)
        ended += await self._work.families.revoke(
            now=self._work.clock.now(), user_id=user_id, family_id=session_id
        )
        if ended:
            await self._work.withdraw()
        return ended > 0


def ensure_signed_in(principal: Principal) -> None:
    """Refuse API keys what concerns the person: a key is given to a program for its
    work, not to sign its owner out."""
    if principal.method == "key":
        raise SignInNeeded


def csrf_token(key: bytes, session_id: str) -> str:
    """The token that a page of this session, and no other, can send."""
    return hmac.digest(key, session_id.encode(), "sha256").hex()


def _view(
    row: BrowserSession | RefreshFamily,
    kind: Literal["browser", "token"],
    principal: Principal,
) -> SignedInWith:
    return SignedInWith(
        id=row.id,
        kind=kind,
        address=row.address,
        user_agent=row.user_agent,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        is_current=row.id == principal.credential_id,
    )
