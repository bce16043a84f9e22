"""The audit log: who did what, when, to which object, from where.

Any area records in the transaction of the deed, so the log holds what happened
and nothing else. A refusal that must be logged is returned as a value by the
service, so that its transaction commits too.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from foretell.auth.store import AuditStore
from foretell.auth.tables import AuditEntry, User
from foretell.core.clock import Clock
from foretell.core.ids import new_id
from foretell.core.pagination import Cursors, Page
from foretell.core.principal import Principal

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from."""

    address: str = ""
    user_agent: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, as the log keeps it: readable after the account is gone."""

    user_id: str | None
    name: str
    method: str = ""
    credential_id: str = ""

    @classmethod
    def of(cls, who: Principal | User, method: str = "") -> "Actor":
        """The actor that a caller or a just signed-in user is."""
        if isinstance(who, User):
            return cls(who.id, who.email, method)
        return cls(who.user_id or None, who.email, who.method, who.credential_id)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries a reader wants; empty means all."""

    actor_id: str | None = None
    action: str | None = None
    object_id: str | None = None


class Audit:
    """Writes and reads the audit log in one unit of work."""

    def __init__(
        self, store: AuditStore, clock: Clock, origin: Origin | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self.origin = origin or Origin()

    async def record(
        self,
        action: str,
        actor: Actor | Principal,
        *,
        kind: str = "",
        object_id: str = "",
        result: Literal["ok", "refused"] = "ok",
        **detail: Any,
    ) -> None:
        """Add one entry.

        Args:
            action: `object.verb`, such as `user.create`.
            kind, object_id: What it was done to.
            detail: More that is worth knowing; JSON values, never a secret.
        """
        who = actor if isinstance(actor, Actor) else Actor.of(actor)
        entry = AuditEntry(
            id=new_id(),
            at=self._clock.now(),
            actor_id=who.user_id,
            actor=_line(who.name),
            method=_line(who.method, 16),
            credential_id=_line(who.credential_id, 36),
            action=action,
            object_kind=kind,
            object_id=_line(object_id),
            result=result,
            address=_line(self.origin.address, 64),
            user_agent=_line(self.origin.user_agent),
            request_id=_line(self.origin.request_id, 64),
            detail=detail,
        )
        await self._store.add(entry)

    async def list_page(
        self, cursors: Cursors, wanted: AuditFilter, *, cursor: str | None, limit: int
    ) -> Page[AuditEntry]:
        """One page of the log, newest first."""
        rows = await self._store.list_page(
            before=cursors.decode("audit", cursor) if cursor else None,
            limit=limit + 1,
            actor_id=wanted.actor_id,
            action=wanted.action,
            object_id=wanted.object_id,
        )
        return cursors.page("audit", rows, limit, lambda entry: entry.id)


def _line(text: str, length: int = 255) -> str:
    """`text` as one line that no database refuses and no terminal obeys."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)[:length]
