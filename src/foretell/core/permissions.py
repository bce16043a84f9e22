"""All scopes of one server and the roles that give them.

The built-in ones are the enum `Scope`. An extension declares its own, so what a role
gives depends on what is switched on: every process holds one `Permissions`, made by
the composition root and handed to whoever asks (`parts.permissions`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from foretell.core.principal import Role, Scope, scopes_of
from foretell.errors import Invalid

_SCOPE = re.compile(r"^[a-z][a-z0-9_-]{0,62}:[a-z][a-z0-9_-]{0,62}$")
_RANKS = (Role.VIEWER, Role.EDITOR, Role.ADMIN)


class ScopeInvalid(Invalid):
    """A declared scope is malformed, or somebody else's."""

    slug = "scope-invalid"


@dataclass(frozen=True, slots=True)
class DeclaredScope:
    """A scope that an extension adds.

    Attributes:
        name: `kind:action`.
        role: The least role that gives it.
        owner: The extension that declares it.
    """

    name: str
    role: Role
    description: str = ""
    owner: str = ""

    def __post_init__(self) -> None:
        if not _SCOPE.match(self.name):
            raise ScopeInvalid(
                f"The scope {self.name!r} is not of the form kind:action, "
                "lower-case letters, digits, - and _."
            )


class Permissions:
    """Which scopes there are and which role gives which."""

    def __init__(self, declared: Iterable[DeclaredScope] = ()) -> None:
        self._declared: dict[str, DeclaredScope] = {}
        for scope in declared:
            self._add(scope)
        self._by_role = {role: self._given_by(role) for role in Role}
        self._names = frozenset(self._by_role[Role.ADMIN])

    def scopes_of(self, role: Role) -> frozenset[str]:
        """All scopes that a role gives, as text."""
        return self._by_role[role]

    def unknown(self, scopes: Iterable[str]) -> list[str]:
        """Those of `scopes` that no route knows, in the order given."""
        return [s for s in scopes if wide(s) not in self._names]

    def descriptions(self) -> dict[str, str]:
        """Every scope with words for the API document."""
        words = {str(scope): str(scope).replace(":", ", ") for scope in Scope}
        for name, scope in self._declared.items():
            words[name] = scope.description or name.replace(":", ", ")
        return words

    def _add(self, scope: DeclaredScope) -> None:
        if scope.name in set(Scope):
            raise ScopeInvalid(f"Foretell itself has the scope {scope.name!r}.")
        known = self._declared.get(scope.name)
        if known is not None and known.owner != scope.owner:
            raise ScopeInvalid(
                f"The extensions {known.owner!r} and {scope.owner!r} both declare "
                f"the scope {scope.name!r}."
            )
        self._declared[scope.name] = scope

    def _given_by(self, role: Role) -> frozenset[str]:
        rank = _RANKS.index(role)
        added = {
            s.name for s in self._declared.values() if _RANKS.index(s.role) <= rank
        }
        return scopes_of(role) | added


def wide(scope: str) -> str:
    """A scope without the object it is narrowed to: `models:predict:churn`."""
    return ":".join(scope.split(":")[:2])
