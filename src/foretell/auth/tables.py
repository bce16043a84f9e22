"""Tables of identity: who may sign in, with what, and what they did.

No secret stands here in clear: passwords are argon2id, tokens and keys SHA-256 of
at least 256 random bits, one-time codes keyed HMACs, private signing keys sealed.
Nothing points at `users` by a foreign key but credentials: objects and the audit
log outlive an account.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from foretell.core.db import Base, LongText, table_options

ID = String(36)
DIGEST = String(64)


def _user_id() -> Mapped[str]:
    return mapped_column(ID, ForeignKey("users.id", ondelete="CASCADE"), index=True)


class User(Base):
    """An account. `email_key` is what makes an e-mail unique in any spelling."""

    __tablename__ = "users"
    __table_args__ = table_options()

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str]
    disabled: Mapped[bool] = mapped_column(default=False)
    token_version: Mapped[int] = mapped_column(default=1)
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RefreshFamily(Base):
    """All refresh tokens that descend from one sign-in; its id is the `sid`."""

    __tablename__ = "refresh_families"
    __table_args__ = table_options()

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    user_id: Mapped[str] = _user_id()
    client_id: Mapped[str] = mapped_column(default="")
    # Empty: whatever the user's role gives at the time of each refresh.
    scope: Mapped[str] = mapped_column(LongText, default="")
    generation: Mapped[int] = mapped_column(default=1)
    address: Mapped[str] = mapped_column(String(64), default="")
    user_agent: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class RefreshToken(Base):
    """One refresh token, by its SHA-256; good for one use."""

    __tablename__ = "refresh_tokens"
    __table_args__ = table_options()

    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    family_id: Mapped[str] = mapped_column(
        ID, ForeignKey("refresh_families.id", ondelete="CASCADE"), index=True
    )
    generation: Mapped[int]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class BrowserSession(Base):
    """A signed-in browser, by the SHA-256 of its cookie."""

    __tablename__ = "browser_sessions"
    __table_args__ = table_options()

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    user_id: Mapped[str] = _user_id()
    digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    address: Mapped[str] = mapped_column(String(64), default="")
    user_agent: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApiKey(Base):
    """An API key; `id` is the part of it that may be shown."""

    __tablename__ = "api_keys"
    __table_args__ = table_options(Index("ix_api_keys_made", "created_at", "id"))

    id: Mapped[str] = mapped_column(String(10), primary_key=True)
    user_id: Mapped[str] = _user_id()
    name: Mapped[str]
    scopes: Mapped[list[str]]
    digest: Mapped[str] = mapped_column(DIGEST)
    created_at: Mapped[datetime]
    created_from: Mapped[str] = mapped_column(String(64), default="")
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_from: Mapped[str | None] = mapped_column(String(64))


class SigningKey(Base):
    """An ES256 key pair of the access tokens; the private half is sealed."""

    __tablename__ = "signing_keys"
    __table_args__ = table_options()

    kid: Mapped[str] = mapped_column(String(32), primary_key=True)
    public_pem: Mapped[str] = mapped_column(LongText)
    sealed_private: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[datetime]


class OneTimeCode(Base):
    """A setup code, a password reset or half of a change of e-mail, by its keyed HMAC.

    `user_id` is empty for the setup code, and for the decoy that a reset of an
    unknown account leaves so that both take the same work. `email` is the new address
    of a change.
    """

    __tablename__ = "one_time_codes"
    __table_args__ = table_options()

    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16), index=True)
    user_id: Mapped[str | None] = mapped_column(
        ID, ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    email: Mapped[str | None] = mapped_column(String(254))
    expires_at: Mapped[datetime]


class AuthEpoch(Base):
    """One row; raised whenever something that was granted is taken back."""

    __tablename__ = "auth_epoch"
    __table_args__ = table_options()

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int]


class FailedTry(Base):
    """One failed try, for the throttle; `subject` is a digest, not an e-mail."""

    __tablename__ = "failed_tries"
    # The subject "everywhere" has up to 12,000 rows an hour; a look reads 200.
    __table_args__ = table_options(Index("ix_failed_tries_latest", "subject", "at"))

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    subject: Mapped[str] = mapped_column(DIGEST)
    at: Mapped[datetime] = mapped_column(index=True)


class AuditEntry(Base):
    """Who did what, when, to which object, from where, and how it ended."""

    __tablename__ = "audit_log"
    # The log only grows and is read newest first: a filter finds its page at the end.
    __table_args__ = table_options(
        Index("ix_audit_log_actor", "actor_id", "id"),
        Index("ix_audit_log_done", "action", "id"),
        Index("ix_audit_log_object", "object_id", "id"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    at: Mapped[datetime]
    actor_id: Mapped[str | None] = mapped_column(ID)
    actor: Mapped[str]
    method: Mapped[str] = mapped_column(String(16))
    credential_id: Mapped[str] = mapped_column(ID)
    action: Mapped[str] = mapped_column(String(64))
    object_kind: Mapped[str] = mapped_column(String(32))
    object_id: Mapped[str]
    result: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str]
    request_id: Mapped[str] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]]
