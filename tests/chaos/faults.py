"""Faults: what may go wrong at any moment, chosen at random."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

from foretell.core.clock import SystemClock
from foretell.errors import Unavailable
from foretell.jobs.store import Filter, JobStore
from foretell.jobs.tables import Job, JobState
from tests.chaos.outages import Fault, Outages
from tests.chaos.places import Place
from tests.chaos.processes import LEASE_SECONDS, Processes
from tests.chaos.workload import order
from tests.jobs.conftest import Office

# Workers die most often: of what keeps everybody waiting a little is enough.
_WEIGHTS = {"worker": 6, "frozen": 3, "child": 2}
_VICTIM_SECONDS = 2.0
_VICTIM_JOB_SECONDS = 0.4
_RETRY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A job that ran when its worker was killed."""

    kind: str
    job_id: str
    token: int
    deaths: int
    at: float


class Faults:
    """Injects faults into one place.

    Attributes:
        moments: When each fault came, with its kind.
        interrupted: Jobs whose worker it killed.
    """

    def __init__(
        self,
        place: Place,
        office: Office,
        processes: Processes,
        chance: random.Random,
    ) -> None:
        self._office = office
        self._processes = processes
        self._chance = chance
        self._outages = Outages(place, office, chance)
        self.moments: list[tuple[float, str]] = []
        self.interrupted: list[Interrupted] = []
        self._kinds: dict[str, Fault] = {
            "worker": self._kill_worker,
            "child": self._kill_child,
            "frozen": self._freeze_worker,
            "nursery": self._kill_nursery,
            "server": self._kill_server,
            "submitter": self._kill_submitter,
            **self._outages.kinds,
        }

    async def inject(self) -> None:
        """One fault, now; another kind when there is nothing to break that way."""
        kinds = list(self._kinds)
        weights = [_WEIGHTS.get(kind, 1) for kind in kinds]
        while True:
            (kind,) = self._chance.choices(kinds, weights)
            with suppress(Unavailable):
                if await self._kinds[kind]():
                    self.moments.append((time.time(), kind))
                    return
            await asyncio.sleep(_RETRY_SECONDS)

    async def settle(self) -> None:
        """Wait until what lasts is over."""
        await self._outages.settle()

    async def _held(self) -> list[Job]:
        """Jobs that a worker runs, but for frozen ones."""
        async with self._office.database.reading() as session:
            store = JobStore(session, SystemClock())
            wanted = Filter(state=JobState.RUNNING)
            found = await store.list_page(wanted, before=None, limit=50)
        frozen = self._processes.frozen
        return [job for job in found if job.worker and pid_of(job) not in frozen]

    async def _victim(self) -> Job | None:
        """A job that a worker runs now; one is ordered if there is none."""
        if not await self._held():
            await order(self._office, self._chance, seconds=_VICTIM_JOB_SECONDS)
        until = time.monotonic() + _VICTIM_SECONDS
        while time.monotonic() < until:
            if held := await self._held():
                return self._chance.choice(held)
            await asyncio.sleep(_RETRY_SECONDS / 5)
        return None

    def _note(self, kind: str, jobs: list[Job]) -> None:
        now = time.time()
        for job in jobs:
            note = Interrupted(kind, job.id, job.token, job.deaths, now)
            self.interrupted.append(note)

    async def _kill_worker(self) -> bool:
        """One that runs a job."""
        job = await self._victim()
        if job is None or not _kill(pid_of(job)):
            return False
        self._note("worker", [job])
        return True

    async def _kill_child(self) -> bool:
        """Any worker, most often an idle one that waits for its broker."""
        workers = self._processes.workers()
        return bool(workers) and _kill(self._chance.choice(workers))

    async def _kill_nursery(self) -> bool:
        """What workers are forked from; they die with it."""
        nursery = self._processes.nursery()
        return nursery is not None and _kill(nursery)

    async def _freeze_worker(self) -> bool:
        job = await self._victim()
        if job is None:
            return False
        freezing = self._processes.freeze(pid_of(job), LEASE_SECONDS * 2)
        self._outages.meanwhile(freezing)
        return True

    async def _kill_server(self) -> bool:
        held = await self._held()
        self._processes.kill_server()
        self._note("server", held)
        self._processes.start_server()
        return True

    async def _kill_submitter(self) -> bool:
        self._processes.kill_submitter()
        self._processes.start_submitter()
        return True


def pid_of(job: Job) -> int:
    """The process that runs a job."""
    return int(str(job.worker).split("/")[1])


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
