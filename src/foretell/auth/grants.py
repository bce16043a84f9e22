"""OAuth 2 tokens: the password grant, rotating refresh tokens, revocation.

A refresh token is good for one use. The exchange locks its family, so parallel
uses queue. Who repeats it within ten seconds, because the answer got lost, gets
the same successor; any other second use means that two parties hold the token,
and ends the family for both (RFC 9700 section 4.14.2).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from foretell.auth import opaque
from foretell.auth.audit import Actor
from foretell.auth.errors import CredentialInvalid, GrantRefused
from foretell.auth.sign_in import SignIn
from foretell.auth.tables import RefreshFamily, RefreshToken, User
from foretell.auth.tokens import LIFETIME, AccessTokens
from foretell.auth.work import Work
from foretell.core.ids import new_id
from foretell.core.permissions import wide
from foretell.core.principal import Role
from foretell.errors import ForetellError, Throttled

ABSOLUTE = timedelta(days=30)
IDLE = timedelta(days=7)
GRACE = timedelta(seconds=10)
MAX_SCOPE_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Granted:
    """What the token endpoint answers."""

    access_token: str
    refresh_token: str
    scope: str
    expires_in: int


class Grants:
    """Gives, renews and takes back tokens.

    Refusals come as values, so that the request commits what they leave behind.
    """

    def __init__(self, work: Work, sign_in: SignIn, tokens: AccessTokens) -> None:
        self._work = work
        self._sign_in = sign_in
        self._tokens = tokens

    async def by_password(
        self, email: str, password: str, *, scope: str = "", client_id: str = ""
    ) -> Granted | ForetellError:
        """Tokens for an e-mail and a password.

        Args:
            scope: Scopes wanted, parted by spaces; empty for all the role gives.
            client_id: The program; its refresh tokens are good for it alone.
        """
        await self._tokens.prepare()
        user = await self._sign_in.check(email, password, method="token")
        if isinstance(user, Throttled):
            return user
        if isinstance(user, ForetellError):
            return GrantRefused("invalid_grant", user.detail)
        scopes = _narrowed(scope, self._role_of(user))
        if scopes is None:
            return _scope_refused()
        family = await self._new_family(user, scope=scope, client_id=client_id)
        refresh = opaque.new_refresh_token()
        await self._add_token(family, refresh)
        await self._work.audit.record(
            "sign-in", Actor.of(user, "token"), kind="user", object_id=user.id
        )
        return await self._granted(user, family, refresh, scopes)

    async def by_refresh_token(
        self, refresh_token: str, *, scope: str = "", client_id: str = ""
    ) -> Granted | ForetellError:
        """New tokens for a refresh token.

        Args:
            scope: Scopes wanted, at most those of the family.
        """
        await self._tokens.prepare()
        found = None
        if opaque.is_refresh_token(refresh_token):
            digest = opaque.digest(refresh_token)
            found = await self._work.families.find_locked(digest)
        if found is None:
            return _refused()
        row, family = found
        user = await self._work.users.find(family.user_id)
        now = self._work.clock.now()
        if user is None or not _is_live(user, family, now):
            return _refused()
        if row.used_at is not None and not _is_repeat(row, row.used_at, family, now):
            return await self._reused(user, family)
        if row.expires_at <= now or family.client_id != client_id:
            return _refused()
        scopes = _narrowed(scope, _scopes_of_family(family, self._role_of(user)))
        if scopes is None:
            return _scope_refused()
        successor = opaque.successor_of(refresh_token, self._work.derived.refresh)
        if row.used_at is None:
            row.used_at = family.last_used_at = now
            family.generation += 1
            await self._add_token(family, successor)
        return await self._granted(user, family, successor, scopes)

    async def revoke(self, token: str) -> None:
        """End the sign-in behind a refresh or access token (RFC 7009).

        A token that does not count is no error: it is as dead as asked for.
        """
        family = await self._family_of(token)
        if family is None:
            return
        now = self._work.clock.now()
        ended = await self._work.families.revoke(
            now=now, user_id=family.user_id, family_id=family.id
        )
        if ended:
            await self._work.withdraw()
            user = await self._work.users.find(family.user_id)
            name = user.email if user else ""
            await self._work.audit.record(
                "sign-out",
                Actor(family.user_id, name, "token", family.id),
                kind="session",
                object_id=family.id,
            )

    async def _family_of(self, token: str) -> RefreshFamily | None:
        if opaque.is_refresh_token(token):
            found = await self._work.families.find_locked(opaque.digest(token))
            return found[1] if found else None
        try:
            claims = await self._tokens.read(token)
        except CredentialInvalid:
            return None
        return await self._work.families.find(claims.sid) if claims.sid else None

    async def _new_family(
        self, user: User, *, scope: str, client_id: str
    ) -> RefreshFamily:
        now = self._work.clock.now()
        family = RefreshFamily(
            id=new_id(),
            user_id=user.id,
            client_id=client_id,
            scope=scope,
            generation=1,
            address=self._work.origin.address[:64],
            user_agent=self._work.origin.user_agent[:255],
            created_at=now,
            last_used_at=now,
            expires_at=now + ABSOLUTE,
        )
        await self._work.families.add(family)
        return family

    async def _add_token(self, family: RefreshFamily, token: str) -> None:
        idle_end = self._work.clock.now() + IDLE
        row = RefreshToken(
            digest=opaque.digest(token),
            family_id=family.id,
            generation=family.generation,
            expires_at=min(idle_end, family.expires_at),
        )
        await self._work.families.add(row)

    def _role_of(self, user: User) -> frozenset[str]:
        return self._work.options.permissions.scopes_of(Role(user.role))

    async def _granted(
        self, user: User, family: RefreshFamily, refresh: str, scopes: Iterable[str]
    ) -> Granted:
        scope = " ".join(sorted(scopes))
        access = await self._tokens.issue(
            user.id, version=user.token_version, scope=scope, session_id=family.id
        )
        return Granted(access, refresh, scope, int(LIFETIME.total_seconds()))

    async def _reused(self, user: User, family: RefreshFamily) -> ForetellError:
        await self._work.families.revoke(
            now=self._work.clock.now(), user_id=user.id, family_id=family.id
        )
        await self._work.withdraw()
        await self._work.audit.record(
            "token.reuse",
            Actor(user.id, user.email, "token", family.id),
            kind="session",
            object_id=family.id,
            result="refused",
        )
        return _refused()


def _is_live(user: User, family: RefreshFamily, now: datetime) -> bool:
    return not user.disabled and family.revoked_at is None and family.expires_at > now


def _is_repeat(
    row: RefreshToken, used_at: datetime, family: RefreshFamily, now: datetime
) -> bool:
    """Whether a used token is the immediate parent of the newest one, just used."""
    is_parent = family.generation == row.generation + 1
    return is_parent and abs(now - used_at) <= GRACE


def _scopes_of_family(family: RefreshFamily, role: frozenset[str]) -> frozenset[str]:
    """What the family was given, less what the role no longer gives."""
    if not family.scope:
        return role
    return frozenset(s for s in family.scope.split() if _covers(role, s))


def _narrowed(wanted: str, given: frozenset[str]) -> frozenset[str] | None:
    """The scopes of `wanted` if `given` covers them all; `given` when it is empty."""
    if len(wanted) > MAX_SCOPE_CHARS:
        return None
    asked = frozenset(wanted.split())
    if not asked:
        return given
    return asked if all(_covers(given, scope) for scope in asked) else None


def _covers(given: frozenset[str], scope: str) -> bool:
    return scope in given or wide(scope) in given


def _refused() -> GrantRefused:
    words = "The refresh token is wrong, used or expired; sign in again."
    return GrantRefused("invalid_grant", words)


def _scope_refused() -> GrantRefused:
    return GrantRefused("invalid_scope", "That is more than the account may have.")
