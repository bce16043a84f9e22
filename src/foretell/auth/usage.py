"""Notes when keys and sessions were last used, a minute at most behind, in the
background: signing a request in must not wait for the database to write."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from foretell.auth.credential_store import LookupStore
from foretell.core.clock import Clock
from foretell.core.logs import get_logger
from foretell.errors import ForetellError

log = get_logger("foretell.auth")

EVERY = timedelta(minutes=1)
Stores = Callable[[], AbstractAsyncContextManager[LookupStore]]


class UsageNotes:
    """Collects uses and writes them.

    Args:
        writing: Opens a store for one unit of work.
    """

    def __init__(self, writing: Stores, clock: Clock) -> None:
        self._writing = writing
        self._clock = clock
        self._keys: dict[str, datetime] = {}
        self._sessions: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def key_used(self, key_id: str, noted_at: datetime | None) -> None:
        """An API key was used; `noted_at` is what the database says so far."""
        self._note(self._keys, key_id, noted_at)

    def session_used(self, session_id: str, noted_at: datetime) -> None:
        """A browser session was used."""
        self._note(self._sessions, session_id, noted_at)

    async def written(self) -> None:
        """Wait until everything noted so far is written."""
        while self._task is not None:
            await self._task

    def _note(
        self, uses: dict[str, datetime], name: str, noted_at: datetime | None
    ) -> None:
        now = self._clock.now()
        if noted_at is not None and now - noted_at < EVERY:
            return
        uses[name] = now
        if self._task is None:
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._keys or self._sessions:
                keys, self._keys = self._keys, {}
                browsers, self._sessions = self._sessions, {}
                async with self._writing() as store:
                    await store.touch(keys, browsers)
        except ForetellError as error:  # the next use is noted again
            log.warning("auth.usage_not_noted", error=error.slug)
        finally:
            self._task = None
