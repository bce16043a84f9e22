"""Bodies of the identity routes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from foretell.core.principal import Role
from foretell.core.texts import storable
from foretell.http.schemas import Body, Line, Moment, Reading

# Lengths here only bound the work; the rules and their words are the service's.
Email = Annotated[str, StringConstraints(max_length=1000)]
Password = Annotated[str, StringConstraints(max_length=100_000)]
Code = Annotated[str, StringConstraints(max_length=200)]


class UserCreate(Body):
    email: Email
    password: Password
    name: Line
    role: Role | None = None


class UserUpdate(Body):
    """Fields left out stay as they are. A password is never set for somebody."""

    name: Line | None = None
    role: Role | None = None
    disabled: bool | None = Field(None, strict=True)


class MeUpdate(Body):
    name: Line | None = None


class UserRead(Reading):
    id: str
    email: str
    name: str
    role: Role
    disabled: bool
    created_at: datetime


class MeRead(Reading):
    """The caller. `csrf_token` is there for browsers: sessions, and users of the host
    of a mount."""

    id: str
    email: str
    name: str
    role: Role
    scopes: list[str]
    method: str
    csrf_token: str | None = None


class PasswordChange(Body):
    current_password: Password
    new_password: Password


class EmailChange(Body):
    email: Annotated[Email, AfterValidator(storable)]
    current_password: Password


class EmailConfirm(Body):
    token: Code


class EmailConfirmed(Reading):
    """`state` is `waiting` until the other address has confirmed too."""

    state: Literal["waiting", "changed"]


class PasswordForgot(Body):
    email: Email


class PasswordReset(Body):
    token: Code
    password: Password


class SetupRead(Reading):
    needed: bool


class SetupRun(Body):
    code: Code
    email: Email
    password: Password
    name: Line


class SessionOpen(Body):
    email: Email
    password: Password


class SessionOpened(Reading):
    """A signed-in browser. Send `csrf_token` as `X-CSRF-Token` with every change."""

    csrf_token: str
    expires_at: datetime
    user: UserRead


class SignedInRead(Reading):
    id: str
    kind: Literal["browser", "token"]
    address: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


class KeyCreate(Body):
    """Without `expires_at` a key lives 90 days; null is for ever."""

    name: Line
    scopes: Annotated[list[Code], Field(min_length=1, max_length=100)]
    expires_at: Moment | None = None


class KeyRead(Reading):
    id: str
    name: str
    scopes: list[str]
    prefix: str
    owner_id: str
    created_at: datetime
    created_from: str
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None


class KeyMade(KeyRead):
    """A new key. `key` is shown this once."""

    key: str


class AuditRead(Reading):
    id: str
    at: datetime
    actor_id: str | None
    actor: str
    method: str
    credential_id: str
    action: str
    object_kind: str
    object_id: str
    result: str
    address: str
    user_agent: str
    request_id: str
    detail: dict[str, Any]


class OAuthErrorRead(Reading):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


class RevokedRead(Reading):
    """An object without members: RFC 7009 has nothing more to say."""


class KeySetRead(Reading):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]]


class TokenRead(Reading):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int
    refresh_token: str
    scope: str
