"""Faults: what may go wrong at any moment, one method each."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import text

from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.errors import Unavailable
from foretell.jobs.store import Filter, JobStore
from foretell.jobs.tables import Job, JobState
from tests.chaos.places import LEASE_SECONDS, Processes, stop_for_a_while
from tests.jobs.conftest import Site

_KILL_SESSIONS = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT id FROM information_schema.processlist "
    "WHERE db = database() AND id <> connection_id()",
}


_WEIGHTS = {"worker": 5, "submitter": 2}


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A job that ran when its worker was killed."""

    kind: str
    job_id: str
    token: int
    deaths: int
    at: float


class Faults:
    """Injects faults into one site.

    Attributes:
        moments: When each fault came, with its kind.
        interrupted: Jobs whose worker it killed.
    """

    def __init__(
        self,
        site: Site,
        database: Database,
        processes: Processes,
        chance: random.Random,
        *,
        has_small_disk: bool,
    ) -> None:
        self._site = site
        self._database = database
        self._processes = processes
        self._chance = chance
        self._later: set[asyncio.Task[None]] = set()
        self.moments: list[tuple[float, str]] = []
        self.interrupted: list[Interrupted] = []
        self._kinds: dict[str, Callable[[], Awaitable[bool]]] = {
            "worker": self._kill_worker,
            "frozen": self._freeze_worker,
            "server": self._kill_server,
            "submitter": self._kill_submitter,
        }
        if database.dialect == "sqlite":
            self._kinds["locked"] = self._lock_database
        else:
            self._kinds["database"] = self._cut_connections
        if has_small_disk:
            self._kinds["disk full"] = self._fill_disk
        if "broker" in processes.names:
            self._kinds["broker"] = self._kill_broker

    async def inject(self) -> None:
        """One fault, now; another kind when there is nothing to break that way.

        Workers die most often: of what keeps everybody waiting a little is enough.
        """
        kinds = list(self._kinds)
        weights = [_WEIGHTS.get(kind, 1) for kind in kinds]
        while True:
            (kind,) = self._chance.choices(kinds, weights)
            at = time.time()
            with suppress(Unavailable):
                if await self._kinds[kind]():
                    self.moments.append((at, kind))
                    return
            await asyncio.sleep(0.05)

    async def settle(self) -> None:
        """Wait until what lasts is over."""
        await asyncio.gather(*self._later)

    def _meanwhile(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _held(self) -> list[Job]:
        """Jobs that a worker runs."""
        async with self._database.reading() as session:
            store = JobStore(session, SystemClock())
            wanted = Filter(state=JobState.RUNNING)
            found = await store.list_page(wanted, before=None, limit=50)
        return [job for job in found if job.worker is not None]

    def _note(self, kind: str, jobs: list[Job]) -> None:
        now = time.time()
        for job in jobs:
            note = Interrupted(kind, job.id, job.token, job.deaths, now)
            self.interrupted.append(note)

    async def _kill_worker(self) -> bool:
        held = await self._held()
        if not held:
            return False
        job = self._chance.choice(held)
        try:
            os.kill(_pid_of(job), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self._note("worker", [job])
        return True

    async def _freeze_worker(self) -> bool:
        held = await self._held()
        if not held:
            return False
        pid = _pid_of(self._chance.choice(held))
        self._meanwhile(stop_for_a_while(pid, LEASE_SECONDS * 2))
        return True

    async def _kill_server(self) -> bool:
        held = await self._held()
        self._processes.kill("server")
        self._note("server", held)
        self._processes.start("server")
        return True

    async def _kill_submitter(self) -> bool:
        self._processes.kill("submitter")
        self._processes.start("submitter")
        return True

    async def _kill_broker(self) -> bool:
        self._processes.kill("broker")
        await asyncio.sleep(self._chance.uniform(0, 1))
        self._processes.start("broker")
        return True

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
        self._meanwhile(self._hold_lock(self._chance.uniform(0.1, 1.0)))
        return True

    async def _hold_lock(self, seconds: float) -> None:
        with suppress(Unavailable):
            async with self._database.writing() as session:
                await session.execute(text("SELECT 1"))
                await asyncio.sleep(seconds)

    async def _fill_disk(self) -> bool:
        self._meanwhile(self._keep_full(self._chance.uniform(0.3, 1.5)))
        return True

    async def _keep_full(self, seconds: float) -> None:
        path = self._site.data_dir / f"ballast-{time.monotonic_ns()}"
        with suppress(OSError), path.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
        await asyncio.sleep(seconds)
        path.unlink(missing_ok=True)


def _pid_of(job: Job) -> int:
    return int(str(job.worker).split("/")[1])
