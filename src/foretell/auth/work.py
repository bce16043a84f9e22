"""What the services of auth share in one unit of work: stores, log, throttle, clock."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from foretell.auth.audit import Audit, Origin
from foretell.auth.credential_store import FamilyStore, KeyStore, SessionStore
from foretell.auth.keyring import derived_key
from foretell.auth.legacy_tokens import LegacyRules
from foretell.auth.store import CodeStore, EpochStore, UserStore
from foretell.auth.throttle import Throttle
from foretell.core.clock import Clock
from foretell.core.pagination import Cursors
from foretell.core.permissions import Permissions
from foretell.settings import Settings

ISSUER = "foretell"


class Mailer(Protocol):
    """Sends a mail in the caller's transaction; `jobs` fills it in."""

    async def send(
        self, *, to: str, subject: str, text: str, is_decoy: bool = False
    ) -> None:
        """Hand over one mail; it goes out when the transaction has committed.

        Args:
            is_decoy: Do the same work and send nothing, so that time does not tell
                whether there was anybody to write to.
        """
        ...


@dataclass(frozen=True, slots=True)
class AuthOptions:
    """The settings that identity looks at.

    Attributes:
        address: Where people reach the server, for links. Never taken from a
            request: a forged Host header would choose it.
        issuer: Who signs our tokens; the same on every node, whatever its address.
        origins: Origins of browser front ends that may send the session cookie.
        permissions: What the roles give, extensions included.
        legacy: Tokens of an older backend that count; `None` for none.
    """

    address: str
    issuer: str = ISSUER
    password_min: int = 8
    is_signup_open: bool = False
    is_production: bool = False
    origins: frozenset[str] = frozenset()
    permissions: Permissions = field(default_factory=Permissions)
    legacy: LegacyRules | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, settings: Settings, permissions: Permissions | None = None
    ) -> "AuthOptions":
        address = settings.public_url or f"http://{settings.host}:{settings.port}"
        return cls(
            address=address.rstrip("/"),
            issuer=(settings.public_url or ISSUER).rstrip("/"),
            password_min=settings.password_min,
            is_signup_open=settings.signup == "open",
            is_production=settings.env == "production",
            origins=frozenset(o.rstrip("/") for o in settings.cors_origins),
            permissions=permissions or Permissions(),
            legacy=_legacy_rules(settings),
        )


def _legacy_rules(settings: Settings) -> LegacyRules | None:
    secret = settings.legacy_jwt_secret
    if secret is None:
        return None
    return LegacyRules(
        secret.get_secret_value().encode(),
        settings.legacy_jwt_issuer,
        settings.legacy_jwt_audience,
    )


@dataclass(frozen=True, slots=True)
class DerivedKeys:
    """Keys made from the server's secret, one a purpose."""

    refresh: bytes
    codes: bytes
    csrf: bytes
    settings: bytes

    @classmethod
    def of(cls, secret: bytes) -> "DerivedKeys":
        purposes = (b"refresh", b"codes", b"csrf", b"settings")
        return cls(*(derived_key(secret, purpose) for purpose in purposes))


@dataclass(frozen=True, slots=True)
class Work:
    """One unit of work. `revoked` runs when a withdrawal has been committed."""

    users: UserStore
    codes: CodeStore
    families: FamilyStore
    sessions: SessionStore
    keys: KeyStore
    epoch: EpochStore
    throttle: Throttle
    audit: Audit
    clock: Clock
    options: AuthOptions
    derived: DerivedKeys
    cursors: Cursors
    mailer: Mailer | None
    revoked: Callable[[], None]

    @property
    def origin(self) -> Origin:
        return self.audit.origin

    async def withdraw(self) -> None:
        """Make every process look again at whatever it has granted."""
        await self.epoch.bump(self.revoked)

    async def end_sign_ins(self, user_id: str, *, keep: str | None = None) -> None:
        """End all refresh families and browser sessions of a user.

        Args:
            keep: A browser session that stays.
        """
        await self.families.revoke(now=self.clock.now(), user_id=user_id)
        await self.sessions.delete(user_id=user_id, keep=keep)
        await self.withdraw()


Glance = Callable[[], AbstractAsyncContextManager[Work]]
"""Opens a short read beside the unit of work: for what must be known before a
password is hashed, since no transaction may wait for that."""
