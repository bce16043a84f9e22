"""Faults of what jobs rest on: database, broker and disk."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from sqlalchemy import text

from foretell.errors import Unavailable
from tests.chaos.places import Place
from tests.jobs.conftest import Office
from tests.servers import OwnServer

_KILL_SESSIONS = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT id FROM information_schema.processlist "
    "WHERE db = database() AND id <> connection_id()",
}
Fault = Callable[[], Awaitable[bool]]


class Outages:
    """Each kind answers whether there was something to break.

    What lasts goes on beside other faults; of one server one outage at a time.
    """

    def __init__(self, place: Place, office: Office, chance: random.Random) -> None:
        self._place = place
        self._database = office.database
        self._chance = chance
        self._lasting: set[asyncio.Task[None]] = set()
        self._out: set[OwnServer] = set()
        self.kinds: dict[str, Fault] = {}
        if self._database.dialect == "sqlite":
            self.kinds["locked"] = self._lock_database
        else:
            self.kinds["connections cut"] = self._cut_connections
        if place.database is not None:
            self._add("database killed", place.database, self._kill)
            self._add("database frozen", place.database, self._freeze)
        if place.broker is not None:
            self._add("broker killed", place.broker, self._kill)
            self._add("broker frozen", place.broker, self._freeze)
            self._add("broker restarted", place.broker, self._restart)
        if place.has_small_disk:
            self.kinds["disk full"] = self._fill_disk

    def meanwhile(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._lasting.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self._lasting.discard(task)  # a failed one is raised by `settle`

    async def settle(self) -> None:
        """Wait until what lasts is over."""
        await asyncio.gather(*self._lasting)

    def _add(
        self, kind: str, server: OwnServer, what: Callable[[OwnServer], Awaitable[None]]
    ) -> None:
        async def inject() -> bool:
            if server in self._out:
                return False
            self._out.add(server)
            self.meanwhile(self._bring_back(server, what))
            return True

        self.kinds[kind] = inject

    async def _bring_back(
        self, server: OwnServer, what: Callable[[OwnServer], Awaitable[None]]
    ) -> None:
        try:
            await what(server)
        finally:
            self._out.discard(server)

    async def _kill(self, server: OwnServer) -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(self._chance.uniform(0, 1))
        await asyncio.to_thread(server.start)

    async def _restart(self, server: OwnServer) -> None:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)

    async def _freeze(self, server: OwnServer) -> None:
        await asyncio.to_thread(server.freeze)
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        await asyncio.to_thread(server.thaw)

    async def _cut_connections(self) -> bool:
        """Have the database end every connection of everybody else."""
        statement = text(_KILL_SESSIONS[self._database.dialect])
        async with self._database.reading() as session:
            found = list(await session.scalars(statement))
            if self._database.dialect == "mysql":
                for number in found:
                    # Gone by itself meanwhile, perhaps.
                    with suppress(Exception):
                        await session.execute(text(f"KILL {int(number)}"))
        return bool(found)

    async def _lock_database(self) -> bool:
        """Hold SQLite's write lock for a while."""
        self.meanwhile(self._hold_lock(self._chance.uniform(0.1, 1.0)))
        return True

    async def _hold_lock(self, seconds: float) -> None:
        with suppress(Unavailable):
            async with self._database.writing() as session:
                await session.execute(text("SELECT 1"))
                await asyncio.sleep(seconds)

    async def _fill_disk(self) -> bool:
        self.meanwhile(self._keep_full(self._chance.uniform(0.3, 1.5)))
        return True

    async def _keep_full(self, seconds: float) -> None:
        path = self._place.site.data_dir / f"ballast-{time.monotonic_ns()}"
        with suppress(OSError), path.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
        await asyncio.sleep(seconds)
        path.unlink(missing_ok=True)
