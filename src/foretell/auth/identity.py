"""The parts of identity that live as long as the process, and what is made of them
for one unit of work."""

import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.audit import Actor, Audit, Origin
from foretell.auth.authenticator import IdentityAuthenticator
from foretell.auth.credential_store import (
    FamilyStore,
    KeyStore,
    LookupStore,
    SessionStore,
)
from foretell.auth.email_change import EmailChanges
from foretell.auth.errors import UserNotFound
from foretell.auth.grants import Grants
from foretell.auth.host_users import HostAccounts, HostPeople
from foretell.auth.importing import UserImport
from foretell.auth.keyring import KeyRing
from foretell.auth.keys import Keys
from foretell.auth.legacy_tokens import LegacyTokens
from foretell.auth.passwords import PasswordHasher
from foretell.auth.recovery import Recovery, Setup
from foretell.auth.service import Accounts
from foretell.auth.sessions import Sessions
from foretell.auth.sign_in import SignIn
from foretell.auth.store import (
    AuditStore,
    CodeStore,
    EpochStore,
    FailureStore,
    SigningKeyStore,
    UserStore,
)
from foretell.auth.tables import User
from foretell.auth.throttle import Throttle
from foretell.auth.tokens import AccessTokens
from foretell.auth.usage import UsageNotes
from foretell.auth.work import AuthOptions, DerivedKeys, Mailer, Work
from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role
from foretell.errors import NotFound

MailerOf = Callable[[AsyncSession], Mailer]
_KEEP_FAILURES = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Services:
    """The services of auth in one transaction."""

    accounts: Accounts
    grants: Grants
    keys: Keys
    sessions: Sessions
    recovery: Recovery
    emails: EmailChanges
    setup: Setup
    imports: UserImport
    audit: Audit


class Identity:
    """Users, sign-in, tokens and keys of one process.

    Args:
        secret: The server's secret, the same on every node.
        mailer_of: Makes the mailer of one transaction; `jobs` has it. Without one,
            a forgotten password is logged and mailed to nobody.
        passwords: The hasher, for tests with cheap costs.

    Attributes:
        announce_withdrawal: Called when something granted was taken back by this
            process, so that others may hear of it before they look by themselves.
    """

    def __init__(
        self,
        database: Database,
        *,
        secret: bytes,
        clock: Clock,
        cursors: Cursors,
        options: AuthOptions,
        mailer_of: MailerOf | None = None,
        passwords: PasswordHasher | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._cursors = cursors
        self.options = options
        self.announce_withdrawal: Callable[[], None] = lambda: None
        self._derived = DerivedKeys.of(secret)
        self.mailer_of = mailer_of
        self.passwords = passwords or PasswordHasher()
        self.keyring = KeyRing(
            reading=self._signing_keys_reading,
            writing=self._signing_keys_writing,
            secret=secret,
            clock=clock,
        )
        self.tokens = AccessTokens(self.keyring, clock, issuer=options.issuer)
        self.usage = UsageNotes(self._uses_writing, clock)
        self.authenticator = IdentityAuthenticator(
            lookups=self._lookups,
            tokens=self.tokens,
            usage=self.usage,
            clock=clock,
            options=options,
            csrf_key=self._derived.csrf,
            legacy=LegacyTokens(options.legacy, clock) if options.legacy else None,
            people=HostPeople(
                reading=self._accounts_reading,
                keeping=self._accounts_keeping,
                passwords=self.passwords,
            ),
        )

    def services(self, session: AsyncSession, origin: Origin | None = None) -> Services:
        """The services in the transaction of `session`."""
        work = self._work(session, origin)

        @asynccontextmanager
        async def glance() -> AsyncIterator[Work]:
            async with self._database.reading() as reading:
                yield self._work(reading, origin)

        sign_in = SignIn(work, glance, self.passwords)
        accounts = Accounts(work, glance, self.passwords)
        return Services(
            accounts=accounts,
            grants=Grants(work, sign_in, self.tokens),
            keys=Keys(work),
            sessions=Sessions(work, sign_in),
            recovery=Recovery(work, glance, self.passwords),
            emails=EmailChanges(work, glance, self.passwords),
            setup=Setup(work, glance, accounts),
            imports=UserImport(work),
            audit=work.audit,
        )

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[Services]:
        """The services in a transaction of their own, for the command line."""
        async with self._database.writing() as session:
            yield self.services(session)

    async def note_settings(self, values: Mapping[str, str]) -> None:
        """Log that the server runs with other settings than before.

        Args:
            values: What is set, by name. The log gets the names, and a keyed digest
                by which the next start sees whether a value has changed.
        """
        said = "\n".join(f"{name}={values[name]}" for name in sorted(values))
        digest = hmac.digest(self._derived.settings, said.encode(), "sha256").hex()
        fingerprint = digest[:16]
        async with self._database.writing() as session:
            store = AuditStore(session)
            last = await store.find_latest("settings.change")
            if last is not None and last.detail.get("fingerprint") == fingerprint:
                return
            audit = Audit(store, self._clock)
            await audit.record(
                "settings.change",
                Actor(None, "server", "start"),
                kind="settings",
                set=sorted(values),
                fingerprint=fingerprint,
            )

    async def record(
        self, action: str, by: Principal, origin: Origin, **what: Any
    ) -> None:
        """Add one entry to the audit log in a transaction of its own, for what only
        reads: a file that leaves the server. Other deeds are logged in theirs.

        Args:
            what: As of `Audit.record`.
        """
        async with self._database.writing() as session:
            audit = Audit(AuditStore(session), self._clock, origin)
            await audit.record(action, by, **what)

    async def get_user(self, user_id: str) -> User:
        """The account as it is committed, by a short read of its own.

        Raises:
            UserNotFound: There is no such user.
        """
        user = await self._find_user(user_id)
        if user is None:
            raise UserNotFound
        return user

    async def _find_user(self, user_id: str) -> User | None:
        async with self._database.reading() as session:
            return await UserStore(session).find(user_id)

    async def principal_of(self, user_id: str) -> Principal | None:
        """The owner of a job with all their rights; `None` when the account is
        disabled or gone."""
        user = await self._find_user(user_id)
        if user is None or user.disabled:
            return None
        role = Role(user.role)
        scopes = self.options.permissions.scopes_of(role)
        return Principal(user.id, user.email, role, scopes, "job")

    async def rotate_signing_key(self, by: Principal) -> str:
        """Add a signing key before its time; gives its `kid`."""
        kid = await self.keyring.rotate()
        await self._record_signing_key("signing-key.rotate", by, kid)
        return kid

    async def remove_signing_key(self, kid: str, by: Principal) -> None:
        """Refuse the tokens of a signing key, everywhere within a second.

        Raises:
            NotFound: There is no such key.
        """
        if not await self.keyring.knows(kid):
            raise NotFound(f"There is no signing key {kid!r}.")
        await self.keyring.remove(kid)
        await self._record_signing_key("signing-key.remove", by, kid)

    async def _record_signing_key(self, action: str, by: Principal, kid: str) -> None:
        async with self._database.writing() as session:
            work = self._work(session, None)
            await work.withdraw()
            await work.audit.record(action, by, kind="signing-key", object_id=kid)

    async def purge(self) -> None:
        """Delete what has expired: codes, failures, families, sessions, signing
        keys; rotate the signing key every 90 days."""
        await self.keyring.keep()
        now = self._clock.now()
        async with self._database.writing() as session:
            await CodeStore(session).purge(now)
            await FailureStore(session).purge(now - _KEEP_FAILURES)
            await FamilyStore(session).purge(now)
            await SessionStore(session).purge(now)

    async def start(self) -> None:
        """Load the signing keys, or make the first one."""
        await self.keyring.signing()

    async def close(self) -> None:
        """Write what is noted and stop the hashing threads."""
        await self.usage.written()
        self.passwords.close()

    def _work(self, session: AsyncSession, origin: Origin | None) -> Work:
        return Work(
            users=UserStore(session),
            codes=CodeStore(session),
            families=FamilyStore(session),
            sessions=SessionStore(session),
            keys=KeyStore(session),
            epoch=EpochStore(session),
            throttle=Throttle(FailureStore(session), self._clock),
            audit=Audit(AuditStore(session), self._clock, origin),
            clock=self._clock,
            options=self.options,
            derived=self._derived,
            cursors=self._cursors,
            mailer=self.mailer_of(session) if self.mailer_of else None,
            revoked=self._withdrawn,
        )

    def _withdrawn(self) -> None:
        self.authenticator.forget()
        self.announce_withdrawal()

    @asynccontextmanager
    async def _accounts_reading(self) -> AsyncIterator[UserStore]:
        async with self._database.reading() as session:
            yield UserStore(session)

    @asynccontextmanager
    async def _accounts_keeping(self) -> AsyncIterator[HostAccounts]:
        async with self._database.writing() as session:
            accounts = self.services(session).accounts
            yield HostAccounts(self._work(session, None), accounts)

    @asynccontextmanager
    async def _lookups(self) -> AsyncIterator[tuple[LookupStore, EpochStore]]:
        async with self._database.reading() as session:
            yield LookupStore(session), EpochStore(session)

    @asynccontextmanager
    async def _uses_writing(self) -> AsyncIterator[tuple[LookupStore, AuditStore]]:
        async with self._database.writing() as session:
            yield LookupStore(session), AuditStore(session)

    @asynccontextmanager
    async def _signing_keys_reading(self) -> AsyncIterator[SigningKeyStore]:
        async with self._database.reading() as session:
            yield SigningKeyStore(session)

    @asynccontextmanager
    async def _signing_keys_writing(self) -> AsyncIterator[SigningKeyStore]:
        async with self._database.writing() as session:
            yield SigningKeyStore(session)


async def create_access_token(
    identity: Identity,
    user: User | str,
    *,
    scopes: frozenset[str] | None = None,
    lifetime: timedelta = timedelta(minutes=10),
) -> str:
    """Sign an access token for a user, without a sign-in of theirs.

    It ends with the account, its password, or its role, like any other.

    Args:
        user: Their row, or their id; a user who is being made in a transaction that
            has not committed is known by the row alone.
        scopes: What the token may do at most; all of the user's role without.

    Raises:
        UserNotFound: There is no such user.
    """
    if isinstance(user, str):
        user = await identity.get_user(user)
    role = identity.options.permissions.scopes_of(Role(user.role))
    wanted = role if scopes is None else scopes
    return await identity.tokens.issue(
        user.id,
        version=user.token_version,
        scope=" ".join(sorted(wanted)),
        lifetime=lifetime,
    )
