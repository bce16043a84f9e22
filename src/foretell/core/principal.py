"""Who is calling and what they may do.

This module is below `auth` on purpose: `http` checks scopes on every route and
must not know how a caller proved who they are. `auth` fills in `Authenticator`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Scope(StrEnum):
    """Permissions, `kind:action`. A credential may narrow one to a single object
    by a third part: `models:predict:churn`."""

    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    KEYS_WRITE = "keys:write"
    AUDIT_READ = "audit:read"
    DATASETS_READ = "datasets:read"
    DATASETS_WRITE = "datasets:write"
    MODELS_READ = "models:read"
    MODELS_WRITE = "models:write"
    MODELS_PREDICT = "models:predict"
    MODELS_TRUST = "models:trust"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    CONNECTIONS_READ = "connections:read"
    CONNECTIONS_WRITE = "connections:write"
    CONNECTIONS_USE = "connections:use"


_VIEWER = frozenset(
    {
        Scope.DATASETS_READ,
        Scope.MODELS_READ,
        Scope.JOBS_READ,
        Scope.MODELS_PREDICT,
        Scope.KEYS_WRITE,
    }
)
_EDITOR = _VIEWER | {
    Scope.DATASETS_WRITE,
    Scope.MODELS_WRITE,
    Scope.JOBS_WRITE,
    Scope.CONNECTIONS_WRITE,
    Scope.CONNECTIONS_USE,
}
ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.VIEWER: _VIEWER,
    Role.EDITOR: frozenset(_EDITOR),
    Role.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request, or the owner a job runs for.

    Attributes:
        user_id: The user behind the credential.
        scopes: Granted scopes as text, narrowed ones included
            (`models:predict:churn`).
        method: How they proved it: `token`, `key`, `session`, `legacy`, `job`,
            `cli`.
        credential_id: Key id or session id, for the audit log.
    """

    user_id: str
    email: str
    role: Role
    scopes: frozenset[str]
    method: str
    credential_id: str = ""

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    def with_scopes(self, *scopes: str) -> "Principal":
        """The same caller holding `scopes` too.

        For a route that has checked a scope of its own and does for the caller what
        they may not do alone: `datasets:write:people`, as narrow as can be.
        """
        return replace(self, scopes=self.scopes | {str(scope) for scope in scopes})

    def may(self, scope: str, name: str | None = None) -> bool:
        """Whether the caller holds `scope`, wholly or for the object `name`."""
        if scope in self.scopes:
            return True
        return name is not None and f"{scope}:{name}" in self.scopes

    def may_some(self, scope: str) -> bool:
        """Whether the caller holds `scope` for at least one object."""
        prefix = f"{scope}:"
        return scope in self.scopes or any(s.startswith(prefix) for s in self.scopes)


def scopes_of(role: Role) -> frozenset[str]:
    """The built-in scopes that a role gives, as text; `Permissions` knows all."""
    return frozenset(str(scope) for scope in ROLE_SCOPES[role])


class Authenticator(Protocol):
    """Turns the credential of a request into a principal. `auth` implements it."""

    async def authenticate(
        self,
        headers: Mapping[bytes, bytes],
        *,
        is_safe_method: bool,
        address: str = "",
    ) -> Principal | None:
        """Return the caller, or `None` when no credential was sent.

        Args:
            headers: Request headers, lower-case names.
            address: Where the request comes from, noted with an API key's use.
            is_safe_method: GET, HEAD or OPTIONS; others need the CSRF header
                when the credential is a cookie.

        Raises:
            Unauthenticated: A credential was sent and does not count.
            Forbidden: The CSRF check failed.
            Unavailable: The database that holds the credentials does not answer.
        """
        ...

    def authenticate_cached(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        """The caller if a recent answer is still good, without any await."""
        ...
