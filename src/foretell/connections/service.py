"""What can be done with connections: put, look, share, open, delete.

A secret goes in by `put` and comes out by `target` alone, in the process that connects.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from foretell.auth.audit import Audit
from foretell.auth.ownership import ensure_may_share, ensure_may_write
from foretell.auth.seal import SealBroken
from foretell.connections.addressing import Said
from foretell.connections.errors import (
    ConnectionInvalid,
    ConnectionNameTaken,
    ConnectionNotFound,
    SecretLost,
)
from foretell.connections.kinds import kind_of
from foretell.connections.outside import Outside
from foretell.connections.store import ConnectionStore
from foretell.connections.tables import Connection
from foretell.core.clock import Clock
from foretell.core.connectors import Target
from foretell.core.ids import new_id
from foretell.core.pagination import Cursors, Page
from foretell.core.principal import Principal, Scope
from foretell.errors import Forbidden, PreconditionFailed

_PURPOSE = "connections"
# Whoever may change these could send a kept secret to a place of their own.
_SECRET_GOES_TO = ("host", "port", "username", "tls", "tls_ca")
People = Callable[[list[str], str], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection that may be used: where it leads, to be resolved outside of the
    transaction in which it was read."""

    name: str
    kind: str
    said: Said


class ConnectionsService:
    """Use cases of connections, in the unit of work of one request or job.

    Args:
        people, audit: For changes that somebody asks for; a job has neither.
    """

    def __init__(
        self,
        store: ConnectionStore,
        outside: Outside,
        clock: Clock,
        cursors: Cursors,
        people: People | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._store = store
        self._outside = outside
        self._clock = clock
        self._cursors = cursors
        self._people = people
        self._audit = audit

    async def put(
        self, principal: Principal, name: str, said: Said
    ) -> tuple[Connection, bool]:
        """Make a connection or replace what it says; answers whether it is new.

        Raises:
            ConnectionInvalid, AddressForbidden, FileForbidden.
            ConnectionNameTaken: Somebody else has one of that name.
        """
        self._demand(principal, Scope.CONNECTIONS_WRITE, name)
        said.demand_sense()
        self._outside.demand_allowed(said)
        found = await self._store.find(name, principal)
        if found is None:
            made = await self._make(principal, name, said)
            await self._note(principal, "connection.create", name, database=said.kind)
            return made, True
        ensure_may_write(found, principal)
        now: dict[str, Any] = {"changed_at": self._clock.now(), "kind": said.kind}
        now["settings"] = said.settings
        now["sealed"] = self._secret_for(found, said)
        await self._store.change(found, None, now)
        await self._note(principal, "connection.change", name, database=said.kind)
        return found, False

    async def _make(self, principal: Principal, name: str, said: Said) -> Connection:
        now: datetime = self._clock.now()
        sealed = None
        if said.password is not None:
            sealed = self._outside.seal.close(said.password)
        made = Connection(
            id=new_id(),
            name=name,
            kind=said.kind,
            settings=said.settings,
            sealed=sealed,
            revision=1,
            created_at=now,
            changed_at=now,
            owner_id=principal.user_id,
        )
        if await self._store.exists(name):
            raise ConnectionNameTaken(name)
        if not await self._store.add_unless_taken(made):
            raise ConnectionNameTaken(name)
        return made

    def _secret_for(self, found: Connection, said: Said) -> str | None:
        """The sealed password: a new one, or the old one for the same place."""
        if said.password is not None:
            return self._outside.seal.close(said.password)
        if found.sealed is None or kind_of(said.kind).is_file:
            return None
        before = found.settings
        same = found.kind == said.kind and all(
            before.get(part) == said.settings[part] for part in _SECRET_GOES_TO
        )
        if not same:
            what = "is needed again, since the connection leads elsewhere"
            raise ConnectionInvalid(("/password", what))
        return found.sealed

    async def get(self, principal: Principal, name: str) -> Connection:
        """Raises `ConnectionNotFound` for what the caller may not see, too."""
        found = await self._store.find(name, principal)
        if found is None:
            raise ConnectionNotFound(name)
        return found

    async def list_page(
        self, principal: Principal, *, cursor: str | None, limit: int
    ) -> Page[Connection]:
        """Connections that the caller may see, by name."""
        after = str(self._cursors.decode(_PURPOSE, cursor)) if cursor else None
        found = await self._store.list_page(principal, after=after, limit=limit)
        return self._cursors.page(_PURPOSE, found, limit, lambda one: one.name)

    async def share(
        self,
        principal: Principal,
        name: str,
        values: dict[str, Any],
        if_match: str | None = None,
    ) -> Connection:
        """Say who else sees, uses or changes it.

        Raises:
            PreconditionFailed: `if_match` is not the current ETag.
        """
        self._demand(principal, Scope.CONNECTIONS_WRITE, name)
        found = await self.get(principal, name)
        ensure_may_share(found, principal)
        if self._people is not None:
            for part in ("readers", "writers"):
                if part in values:
                    values[part] = await self._people(values[part], f"/{part}")
        revision = None
        if if_match not in (None, "*"):
            if if_match != etag_of(found):
                raise PreconditionFailed("The connection was changed by someone else.")
            revision = found.revision
        if values and not await self._store.change(found, revision, values):
            raise PreconditionFailed("The connection was changed by someone else.")
        await self._note(
            principal, "connection.share", name, visibility=found.visibility
        )
        return found

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget a connection and its secret; what was read by it stays."""
        self._demand(principal, Scope.CONNECTIONS_WRITE, name)
        found = await self.get(principal, name)
        ensure_may_write(found, principal)
        await self._store.delete(found)
        await self._note(principal, "connection.delete", name)

    async def open(self, principal: Principal, name: str) -> Opened:
        """A connection to be used, with its secret.

        Raises:
            Forbidden: The caller may not use connections, or not this one.
            ConnectionNotFound, SecretLost.
        """
        self._demand(principal, Scope.CONNECTIONS_USE, name)
        return self._opened(await self.get(principal, name))

    async def open_for_test(self, principal: Principal, name: str) -> Opened:
        """The same for whoever may change it: to see whether it works."""
        found = await self.get(principal, name)
        if not principal.may(Scope.CONNECTIONS_USE, name):
            self._demand(principal, Scope.CONNECTIONS_WRITE, name)
        return self._opened(found)

    def _opened(self, found: Connection) -> Opened:
        secret = None
        if found.sealed is not None:
            try:
                secret = self._outside.seal.open(found.sealed)
            except SealBroken:
                raise SecretLost(found.name) from None
        said = Said(found.kind, **found.settings, password=secret)
        return Opened(found.name, found.kind, said)

    async def target(self, opened: Opened) -> Target:
        """Where to connect to: looks the name up, so call it outside of transactions."""
        return await self._outside.target(opened.said)

    async def reseal(self, after: str, limit: int) -> tuple[str | None, int, int]:
        """Seal the next secrets with the current key.

        Returns:
            Where to go on (`None` at the end), how many were sealed anew, and how many
            no known key opens.
        """
        seal = self._outside.seal
        rows = await self._store.list_sealed(after, limit)
        done = lost = 0
        for row in rows:
            old = row.sealed or ""
            if seal.is_current(old):
                continue
            try:
                new = seal.close(seal.open(old))
            except SealBroken:
                lost += 1
                continue
            done += await self._store.replace_seal(row.id, old, new)
        return (rows[-1].id if len(rows) == limit else None), done, lost

    def _demand(self, principal: Principal, scope: Scope, name: str) -> None:
        if not principal.may(scope, name):
            raise Forbidden(
                f"This needs the scope {scope} for {name!r}.", scope=str(scope)
            )

    async def _note(
        self, principal: Principal, action: str, name: str, **detail: Any
    ) -> None:
        if self._audit is not None:
            await self._audit.record(
                action, principal, kind="connection", object_id=name, **detail
            )


def etag_of(row: Connection) -> str:
    return f'"{row.id}-{row.revision}"'
