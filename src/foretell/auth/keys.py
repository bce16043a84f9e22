"""API keys: made, listed, deleted; never wider or longer-lived than their maker."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from foretell.auth import opaque
from foretell.auth.errors import KeyNotFound, KeyTooWide, ScopeUnknown
from foretell.auth.tables import ApiKey, User
from foretell.auth.work import Work
from foretell.core.ids import is_name
from foretell.core.pagination import Page
from foretell.core.permissions import Permissions
from foretell.core.principal import Principal, Role
from foretell.errors import FieldError, Invalid

DEFAULT_LIFETIME = timedelta(days=90)


class ExpiryUnfit(Invalid):
    """A key cannot expire in the past."""

    slug = "expiry-past"

    def __init__(self) -> None:
        message = "The key would have expired already."
        super().__init__(message, errors=[FieldError("/expires_at", message, "past")])


@dataclass(frozen=True, slots=True)
class NewKey:
    """What somebody wants a key to be.

    Attributes:
        expires_at: `None` for never.
        use_default_expiry: Whether to take 90 days instead.
    """

    name: str
    scopes: list[str]
    expires_at: datetime | None = None
    use_default_expiry: bool = True


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key; `key` is shown this once."""

    row: ApiKey
    key: str


class Keys:
    """The API keys that a caller may see and change: their own; all for an admin."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def create(self, by: Principal, new: NewKey) -> MadeKey:
        """Make a key for the caller.

        Raises:
            ScopeUnknown: No route knows the scope.
            KeyTooWide: The key would do more, or live longer, than the caller's
                own credential.
        """
        scopes = _checked(new.scopes, by, self._work.options.permissions)
        expires_at = await self._expiry(by, new)
        key_id, key = opaque.new_api_key()
        row = ApiKey(
            id=key_id,
            user_id=by.user_id,
            name=new.name,
            scopes=scopes,
            digest=opaque.digest(key),
            created_at=self._work.clock.now(),
            created_from=self._work.origin.address[:64],
            expires_at=expires_at,
        )
        await self._work.keys.add(row)
        await self._work.audit.record(
            "key.create", by, kind="key", object_id=key_id, scopes=scopes
        )
        return MadeKey(row, key)

    async def create_for(self, user: User, new: NewKey) -> MadeKey:
        """Make a key for a user from the command line; without scopes, with all that
        the role gives."""
        role = Role(user.role)
        given = self._work.options.permissions.scopes_of(role)
        owner = Principal(user.id, user.email, role, given, "cli")
        scopes = new.scopes or sorted(given)
        return await self.create(owner, replace(new, scopes=scopes))

    async def get(self, by: Principal, key_id: str) -> ApiKey:
        row = await self._work.keys.find(key_id)
        if row is None or not (by.is_admin or row.user_id == by.user_id):
            raise KeyNotFound
        return row

    async def list_page(
        self, by: Principal, *, cursor: str | None, limit: int
    ) -> Page[ApiKey]:
        """The caller's keys by age; everybody's for an admin."""
        cursors = self._work.cursors
        rows = await self._work.keys.list_page(
            user_id=None if by.is_admin else by.user_id,
            after=cursors.decode("keys", cursor) if cursor else None,
            limit=limit + 1,
        )
        return cursors.page(
            "keys", rows, limit, lambda key: [key.created_at.isoformat(), key.id]
        )

    async def delete(self, by: Principal, key_id: str) -> None:
        """Delete a key; it is refused everywhere within a second."""
        row = await self.get(by, key_id)
        await self._work.keys.delete(row)
        await self._work.withdraw()
        await self._work.audit.record("key.delete", by, kind="key", object_id=key_id)

    async def _expiry(self, by: Principal, new: NewKey) -> datetime | None:
        now = self._work.clock.now()
        latest = await self._latest_expiry(by)
        if new.use_default_expiry:
            return min(now + DEFAULT_LIFETIME, latest or now + DEFAULT_LIFETIME)
        if new.expires_at is not None and new.expires_at <= now:
            raise ExpiryUnfit
        if latest is not None and (new.expires_at is None or new.expires_at > latest):
            raise KeyTooWide("A key cannot outlive the key that makes it.")
        return new.expires_at

    async def _latest_expiry(self, by: Principal) -> datetime | None:
        if by.method != "key":
            return None
        own = await self._work.keys.find(by.credential_id)
        return own.expires_at if own else None


def _checked(scopes: list[str], by: Principal, permissions: Permissions) -> list[str]:
    wanted = sorted(set(scopes))
    unknown = permissions.unknown(wanted)
    # A third part names one object; it is a name, and there is no fourth.
    unknown += [s for s in wanted if s.count(":") > 1 and not _is_narrowed(s)]
    if unknown or not wanted:
        raise ScopeUnknown(unknown or ["(none)"])
    for scope in wanted:
        kind_action, _, name = _split(scope)
        if not by.may(kind_action, name or None):
            raise KeyTooWide(f"Your own credential lacks {scope}.", scope=scope)
    return wanted


def _is_narrowed(scope: str) -> bool:
    return is_name(_split(scope)[2])


def _split(scope: str) -> tuple[str, str, str]:
    kind, action, *rest = scope.split(":", 2)
    return f"{kind}:{action}", ":", rest[0] if rest else ""
