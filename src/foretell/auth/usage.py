"""Notes when keys and sessions were last used, a minute at most behind, in the
background: signing a request in must not wait for the database to write.

A key that is used from a network address where it was not used last leaves an entry
in the audit log: that is how its owner sees that somebody else has it.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from foretell.auth.audit import Actor, Audit, Origin
from foretell.auth.credential_store import LookupStore
from foretell.auth.store import AuditStore
from foretell.auth.tables import ApiKey, User
from foretell.core.clock import Clock
from foretell.core.logs import get_logger
from foretell.errors import ForetellError

log = get_logger("foretell.auth")

EVERY = timedelta(minutes=1)
MAX_ADDRESS = 64
Stores = Callable[[], AbstractAsyncContextManager[tuple[LookupStore, AuditStore]]]


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One use of an API key.

    Attributes:
        actor: Whose key it is, where the use is for the audit log.
    """

    at: datetime
    address: str
    actor: Actor | None


class UsageNotes:
    """Collects uses and writes them.

    Args:
        writing: Opens the stores for one unit of work.
    """

    def __init__(self, writing: Stores, clock: Clock) -> None:
        self._writing = writing
        self._clock = clock
        self._keys: dict[str, KeyUse] = {}
        self._sessions: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def key_used(self, key: ApiKey, owner: User, address: str) -> None:
        """An API key was used; the row says what the database knows so far."""
        now, address = self._clock.now(), address[:MAX_ADDRESS]
        is_new = address != key.last_used_from
        noted_at = key.last_used_at
        if not is_new and noted_at is not None and now - noted_at < EVERY:
            return
        actor = Actor(owner.id, owner.email, "key", key.id) if is_new else None
        self._keys[key.id] = KeyUse(now, address, actor)
        self._start()

    def session_used(self, session_id: str, noted_at: datetime) -> None:
        """A browser session was used; `noted_at` is what the database says so far."""
        now = self._clock.now()
        if now - noted_at < EVERY:
            return
        self._sessions[session_id] = now
        self._start()

    async def written(self) -> None:
        """Wait until everything noted so far is written."""
        while self._task is not None:
            await self._task

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._keys or self._sessions:
                keys, self._keys = self._keys, {}
                browsers, self._sessions = self._sessions, {}
                async with self._writing() as (store, audit):
                    await store.touch_sessions(browsers)
                    for key_id, use in keys.items():
                        await self._note(store, audit, key_id, use)
        except ForetellError as error:  # the next use is noted again
            log.warning("auth.usage_not_noted", error=error.slug)
        finally:
            self._task = None

    async def _note(
        self, store: LookupStore, audit: AuditStore, key_id: str, use: KeyUse
    ) -> None:
        is_there = await store.touch_key(key_id, use.at, use.address)
        if use.actor is not None and is_there:
            entries = Audit(audit, self._clock, Origin(use.address))
            await entries.record("key.use", use.actor, kind="key", object_id=key_id)
