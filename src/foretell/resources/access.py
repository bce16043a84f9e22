"""What a caller may do with a resource, and which rows exist for them."""

from dataclasses import dataclass
from typing import Any

from foretell.core.principal import Principal
from foretell.errors import Forbidden, Unauthenticated
from foretell.resources.description import ResourceDescription


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one caller; `principal` is `None` for somebody unknown."""

    description: ResourceDescription
    principal: Principal | None

    @property
    def reads_as(self) -> str | None:
        """Whose rows alone the caller sees; `None` for all."""
        return self._user_id if self.description.is_private else None

    @property
    def writes_as(self) -> str | None:
        """Whose rows alone the caller changes; `None` for all."""
        return self._user_id if self.description.owned else None

    @property
    def condition(self) -> Any:
        """The resource's own condition for the rows that exist for the caller."""
        visible = self.description.visible
        return None if visible is None else visible(self.principal)

    def demand_read(self, key: Any = None) -> None:
        """Return if the caller may read the row `key`, or all without one."""
        if not self.description.is_public:
            self._demand(self.description.read_scope, key)

    def demand_write(self, key: Any = None) -> None:
        """Return if the caller may write the row `key`, or any without one."""
        self._demand(self.description.write_scope, key)

    def to(self, other: ResourceDescription) -> "Access":
        """The same caller's rights on another resource."""
        return Access(other, self.principal)

    @property
    def _user_id(self) -> str | None:
        if self.principal is None:
            return ""  # nobody's rows
        return None if self.principal.is_admin else self.principal.user_id

    def _demand(self, scope: str, key: Any) -> None:
        if self.principal is None:
            raise Unauthenticated("Sign in, or send an API key as a Bearer token.")
        if not self.principal.may(scope, None if key is None else str(key)):
            raise Forbidden(f"This needs the scope {scope}.", scope=scope)
