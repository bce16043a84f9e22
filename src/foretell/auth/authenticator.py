"""Turns the credential of a request into a principal.

Answers are remembered for seconds, and for no longer than nothing has been taken
back anywhere: one number in the database, the epoch, rises with every withdrawal,
and each process looks at it at most once a second. A remembered answer costs one
hash and one look into a dictionary; a withdrawal acts everywhere within a second, and
sooner where processes tell each other (`forget`).
If the database does not answer, nobody is let in by an answer older than that.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from foretell.auth import opaque, sessions
from foretell.auth.cookies import find_cookie
from foretell.auth.credential_store import LookupStore
from foretell.auth.emails import find_email_key
from foretell.auth.errors import CredentialInvalid, CsrfFailed
from foretell.auth.host_users import Ask, HostPeople, HostUser, asking
from foretell.auth.legacy_tokens import FIRST_TOKEN_VERSION, LegacyTokens
from foretell.auth.origin_check import check_origin, check_reader
from foretell.auth.store import EpochStore
from foretell.auth.tables import User
from foretell.auth.tokens import MAX_TOKEN_CHARS, AccessTokens
from foretell.auth.usage import UsageNotes
from foretell.auth.work import AuthOptions
from foretell.core.clock import Clock
from foretell.core.permissions import wide
from foretell.core.principal import Principal, Role

EPOCH_EVERY = timedelta(seconds=1)
MAX_REMEMBERED = 10_000
_TOKEN_FOR = timedelta(seconds=60)
_KEY_FOR = timedelta(seconds=30)
_SESSION_FOR = timedelta(seconds=10)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Lookups = Callable[[], AbstractAsyncContextManager[tuple[LookupStore, EpochStore]]]


@dataclass(frozen=True, slots=True)
class _Answer:
    principal: Principal
    good_until: datetime


class IdentityAuthenticator:
    """Implements `foretell.core.principal.Authenticator`.

    Args:
        lookups: Opens a short read of what credentials need.
        usage: Where to note that a key or session was used.
        csrf_key: Key of the CSRF tokens.
        legacy: Reads tokens of an older backend; `None` where none counts.
        people: Finds the accounts of a host's people, where there may be a host.
    """

    def __init__(
        self,
        *,
        lookups: Lookups,
        tokens: AccessTokens,
        usage: UsageNotes,
        clock: Clock,
        options: AuthOptions,
        csrf_key: bytes,
        legacy: LegacyTokens | None = None,
        people: HostPeople | None = None,
    ) -> None:
        self._lookups = lookups
        self._tokens = tokens
        self._usage = usage
        self._clock = clock
        self._options = options
        self._csrf_key = csrf_key
        self._legacy = legacy
        self._people = people
        self._remembered: dict[bytes, _Answer] = {}
        self._epoch = -1
        self._looked_at = self._look_again_at = _LONG_AGO
        self._looking = asyncio.Lock()

    async def authenticate(
        self,
        headers: Mapping[bytes, bytes],
        *,
        is_safe_method: bool,
        address: str = "",
    ) -> Principal | None:
        """See `Authenticator`. With an `Authorization: Bearer` header, cookies do
        not count; without one, a cookie needs the CSRF header to change things. Whom
        the host of a mount has signed in counts where no credential of ours does."""
        ask = asking.get()
        if ask is None:
            return await self._by_own(headers, address, is_safe_method=is_safe_method)
        try:
            found = await self._by_own(headers, address, is_safe_method=is_safe_method)
        except CredentialInvalid:
            found = await self._by_host(ask, headers, is_safe_method=is_safe_method)
            if found is None:
                raise
        return found or await self._by_host(ask, headers, is_safe_method=is_safe_method)

    async def _by_own(
        self, headers: Mapping[bytes, bytes], address: str, *, is_safe_method: bool
    ) -> Principal | None:
        bearer = _bearer_of(headers)
        if bearer is not None:
            return await self._by_bearer(bearer, headers[b"authorization"], address)
        is_production = self._options.is_production
        cookie = find_cookie(headers, is_production=is_production)
        if cookie is None:
            return None
        principal = await self._by_cookie(cookie)
        if is_safe_method:
            check_reader(headers, self._options)
        else:
            check_origin(headers, self._options)
            self._check_csrf(headers, principal)
        return principal

    def authenticate_cached(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        """The caller with a Bearer credential, if it was checked a moment ago.

        `None` means "ask `authenticate`", not "nobody".
        """
        sent = headers.get(b"authorization")
        if sent is None:
            return None
        now = self._clock.now()
        answer = self._remembered.get(sha256(sent).digest())
        if answer is None or not self._looked_at <= now < self._look_again_at:
            return None
        return answer.principal if now < answer.good_until else None

    def forget(self) -> None:
        """Look at the epoch again before the next answer."""
        self._look_again_at = _LONG_AGO

    async def _by_bearer(
        self, credential: bytes, sent: bytes, address: str
    ) -> Principal:
        if len(credential) > MAX_TOKEN_CHARS:
            raise CredentialInvalid("The credential is too long.")
        try:
            text = credential.decode("ascii")
        except UnicodeDecodeError:
            raise CredentialInvalid from None
        if text.startswith(opaque.KEY_PREFIX):
            key_id = opaque.find_key_id(text)
            if key_id is None:
                raise CredentialInvalid("This is not an API key; was it cut short?")
            return await self._answered(
                sent, lambda: self._by_key(key_id, text, address)
            )
        legacy = self._legacy
        if legacy is not None and legacy.claims_to_be(text):
            return await self._answered(sent, lambda: self._by_legacy(legacy, text))
        return await self._answered(sent, lambda: self._by_token(text))

    async def _by_cookie(self, cookie: str) -> Principal:
        return await self._answered(
            b"cookie " + cookie.encode(), lambda: self._by_session(cookie)
        )

    async def _by_host(
        self, ask: Ask, headers: Mapping[bytes, bytes], *, is_safe_method: bool
    ) -> Principal | None:
        who = await ask()
        if who is None or self._people is None:
            return None
        people = self._people
        # Twice the same words are the same person with the same rights.
        principal = await self._answered(
            b"host " + repr(who).encode(), lambda: self._by_host_user(people, who)
        )
        if not is_safe_method and _is_ambient(headers):
            check_origin(headers, self._options)
            self._check_csrf(headers, principal)
        return principal

    async def _answered(
        self, sent: bytes, find: Callable[[], Awaitable[_Answer]]
    ) -> Principal:
        await self._look_at_epoch()
        digest = sha256(sent).digest()
        remembered = self._recall(digest)
        if remembered is not None:
            return remembered
        epoch = self._epoch
        answer = await find()
        # If something was withdrawn meanwhile, what was read may be from before.
        if epoch == self._epoch:
            self._remember(digest, answer)
        return answer.principal

    async def _by_token(self, token: str) -> _Answer:
        claims = await self._tokens.read(token)
        async with self._lookups() as (store, _):
            if claims.sid:
                found = await store.family(claims.sid)
                family, user = found if found else (None, None)
                is_live = family is not None and family.revoked_at is None
            else:
                user, is_live = await store.user(claims.sub), True
        if user is None or not is_live or user.id != claims.sub:
            raise CredentialInvalid("The token's sign-in has ended.")
        if user.token_version != claims.ver:
            raise CredentialInvalid("The token was taken back.")
        scopes = self._within(claims.scope.split(), user)
        principal = _principal(user, scopes, "token", claims.sid)
        expires_at = datetime.fromtimestamp(claims.exp, tz=UTC)
        return self._answer(principal, _TOKEN_FOR, expires_at)

    async def _by_legacy(self, legacy: LegacyTokens, token: str) -> _Answer:
        claims = legacy.read(token)
        key = find_email_key(claims.subject) if "@" in claims.subject else None
        async with self._lookups() as (store, _):
            if key is None:
                user = await store.user(claims.subject)
            else:
                user = await store.user_by_email(key)
        if user is None:
            raise CredentialInvalid("The token is of nobody here.")
        if user.token_version != FIRST_TOKEN_VERSION:
            raise CredentialInvalid("The token was taken back.")
        scopes = self._all_of(user)
        if claims.scopes is not None:
            scopes = self._within(claims.scopes, user)
        expires_at = datetime.fromtimestamp(claims.expires_at, tz=UTC)
        return self._answer(
            _principal(user, scopes, "legacy", ""), _TOKEN_FOR, expires_at
        )

    async def _by_key(self, key_id: str, key: str, address: str) -> _Answer:
        async with self._lookups() as (store, _):
            found = await store.key(key_id)
        if found is None or not hmac.compare_digest(
            found[0].digest, opaque.digest(key)
        ):
            raise CredentialInvalid("There is no such API key.")
        row, user = found
        if row.expires_at is not None and row.expires_at <= self._clock.now():
            raise CredentialInvalid("The API key has expired.")
        principal = _principal(user, self._within(row.scopes, user), "key", row.id)
        self._usage.key_used(row, user, address)
        return self._answer(principal, _KEY_FOR, row.expires_at)

    async def _by_session(self, cookie: str) -> _Answer:
        async with self._lookups() as (store, _):
            found = await store.session(opaque.digest(cookie))
        if found is None:
            raise CredentialInvalid("The session has ended; sign in again.")
        row, user = found
        ends_at = min(row.expires_at, row.last_used_at + sessions.IDLE)
        if ends_at <= self._clock.now():
            raise CredentialInvalid("The session has ended; sign in again.")
        principal = _principal(user, self._all_of(user), "session", row.id)
        self._usage.session_used(row.id, row.last_used_at)
        return self._answer(principal, _SESSION_FOR, ends_at)

    async def _by_host_user(self, people: HostPeople, who: HostUser) -> _Answer:
        user = await people.account_of(who)
        principal = _principal(user, self._all_of(user), "host", user.id)
        return self._answer(principal, _SESSION_FOR, None)

    def _all_of(self, user: User) -> frozenset[str]:
        return self._options.permissions.scopes_of(Role(user.role))

    def _within(self, scopes: Iterable[str], user: User) -> frozenset[str]:
        """Those of `scopes` that the user's role, as it is now, still gives."""
        role = self._all_of(user)
        return frozenset(s for s in scopes if wide(s) in role)

    def _answer(
        self, principal: Principal, keep: timedelta, end: datetime | None
    ) -> _Answer:
        until = self._clock.now() + keep
        return _Answer(principal, until if end is None else min(until, end))

    def _check_csrf(self, headers: Mapping[bytes, bytes], who: Principal) -> None:
        sent = headers.get(b"x-csrf-token", b"")
        wanted = sessions.csrf_token(self._csrf_key, who.credential_id).encode()
        if not hmac.compare_digest(sent, wanted):
            raise CsrfFailed(
                "The header X-CSRF-Token is missing or of another session; "
                "GET /api/me gives it."
            )

    def _is_fresh(self) -> bool:
        # Bounded on both sides: after a clock set back, an old look must not count.
        return self._looked_at <= self._clock.now() < self._look_again_at

    async def _look_at_epoch(self) -> None:
        if self._is_fresh():
            return
        async with self._looking:
            if self._is_fresh():
                return
            # The time before the read: what commits during it is seen next time.
            looked_at = self._clock.now()
            async with self._lookups() as (_, epochs):
                epoch = await epochs.read()
            if epoch != self._epoch:
                self._remembered.clear()
                self._tokens.forget_keys()
                self._epoch = epoch
            self._looked_at, self._look_again_at = looked_at, looked_at + EPOCH_EVERY

    def _recall(self, digest: bytes) -> Principal | None:
        answer = self._remembered.get(digest)
        if answer is None:
            return None
        if self._clock.now() >= answer.good_until:
            del self._remembered[digest]
            return None
        return answer.principal

    def _remember(self, digest: bytes, answer: _Answer) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = answer


def _bearer_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    scheme, _, credential = headers.get(b"authorization", b"").partition(b" ")
    return credential.strip() if scheme.lower() == b"bearer" else None


def _is_ambient(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser may have added by itself what the host knew the caller by, as
    it does with cookies, certificates and these schemes; another site's page can make
    it do so."""
    scheme = headers.get(b"authorization", b"").partition(b" ")[0].lower()
    return scheme in (b"", b"basic", b"digest", b"negotiate", b"ntlm")


def _principal(
    user: User, scopes: frozenset[str], method: str, credential_id: str
) -> Principal:
    if user.disabled:
        raise CredentialInvalid("The account is disabled.")
    return Principal(
        user_id=user.id,
        email=user.email,
        role=Role(user.role),
        scopes=scopes,
        method=method,
        credential_id=credential_id,
    )
