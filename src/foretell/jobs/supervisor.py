"""Keeps worker processes alive and makes sure that no job stays with a dead one.

Part of `serve` and of `foretell worker`. Workers are forked from a fresh interpreter (the
nursery), because a server process has threads and a loop that must not be forked. Any number of
supervisors may share a database: what they do to jobs is conditional, and each
judges only processes of its own host; everything else is left to the leases.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from foretell.core.clock import Clock, SystemClock
from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.errors import Unavailable
from foretell.jobs.children import Child, Nursery, NurseryDied
from foretell.jobs.composition import Timing
from foretell.jobs.doorbell import Doorbell, socket_folder, sweep_sockets
from foretell.jobs.families import FamilyStore
from foretell.jobs.identity import is_alive, is_local, is_responsive
from foretell.jobs.ports import Bell, SilentBell, Waiting
from foretell.jobs.store import JobStore

_SWEEP_SECONDS = 1.0
_STEADY_SECONDS = 1.0  # a worker that lived so long did not die of its start
_CHANCE_DEATHS = 2
_LONGEST_BACKOFF_SECONDS = 5.0
log = get_logger(__name__)


class Supervisor:
    """Starts `processes` workers and looks after them until it is closed.

    Args:
        composition: Dotted name of the function that composes a worker.
        database: The server's own; the supervisor writes little and briefly.
        environment: Variables of the children; this process's own when left out.
        chores: Done once a second by each supervisor, so they must not mind company.
        bell: Told which jobs were freed, beside the workers of this host.
    """

    def __init__(
        self,
        composition: str,
        *,
        database: Database,
        data_dir: Path,
        clock: Clock | None = None,
        processes: int = 1,
        timing: Timing | None = None,
        environment: Mapping[str, str] | None = None,
        chores: Sequence[Callable[[], Awaitable[None]]] = (),
        bell: Bell | None = None,
    ) -> None:
        self._bell = bell or SilentBell()
        self._chores = chores
        self._database = database
        self._clock = clock or SystemClock()
        self._processes = processes
        self._timing = timing or Timing()
        self._folder = socket_folder(data_dir)
        self._workers_bell = Doorbell(self._folder, "worker")
        self._servers_bell = Doorbell(self._folder, "server")
        self._nursery = Nursery(composition, environment)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._next_vouch = 0.0

    @property
    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        return sorted(self._nursery.children)

    async def __aenter__(self) -> "Supervisor":
        await self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the workers and the sweep; returns at once."""
        sweep_sockets(self._folder)
        self._tasks = [asyncio.create_task(self._sweep_for_ever())]
        for _ in range(self._processes):
            self._tasks.append(asyncio.create_task(self._keep_one()))

    async def stop(self) -> None:
        """Drain: the running jobs get a little time, then go back to the queue."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        for child in list(self._nursery.children.values()):
            child.signal(signal.SIGTERM)
        timing = self._timing
        patience = timing.drain + timing.grace + timing.pulse + 0.5
        sweeping, *keeping = self._tasks
        if self._nursery.children:
            await asyncio.wait(keeping, timeout=patience)
        sweeping.cancel()
        await self._nursery.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._workers_bell.close()
        self._servers_bell.close()

    # --- children ------------------------------------------------------------

    async def _keep_one(self) -> None:
        """Have one worker running until the supervisor stops."""
        quick_deaths = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_child()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - started
            is_quick = code is None or lived < _STEADY_SECONDS
            quick_deaths = quick_deaths + 1 if is_quick else 0
            log.warning("worker.died", code=code, lived_seconds=round(lived, 1))
            # A quick death or two may be chance: they are answered at once.
            if quick_deaths > _CHANCE_DEATHS:
                delay = 0.1 * 2.0 ** (quick_deaths - _CHANCE_DEATHS)
                await self._pause(min(delay, _LONGEST_BACKOFF_SECONDS))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _run_child(self) -> int | None:
        """Run one worker to its end and free what it held; answers its exit code,
        or `None` if none could be started."""
        try:
            child = await self._nursery.spawn()
        except (NurseryDied, OSError):
            return None
        if self._stopping.is_set():
            child.signal(signal.SIGTERM)
        code = await child.ended
        await self._free(child.identity)
        return code

    async def _free(self, worker: str) -> None:
        """Give the jobs of a dead worker to the others; the sweep tries again if
        the database is away."""
        try:
            async with self._database.writing() as session:
                store = JobStore(session, self._clock)
                freed = await store.free_worker(worker)
        except Unavailable:
            log.warning("worker.jobs_not_freed", worker=worker)
            return
        self._tell(freed, store.woken)

    # --- the sweep -----------------------------------------------------------

    async def _sweep_for_ever(self) -> None:
        while True:
            for chore in (self.sweep, *self._chores):
                try:
                    await chore()
                except Unavailable:
                    log.warning("jobs.sweep_without_database")
                except Exception:
                    # Without the sweep no lease is ever judged: it must go on.
                    log.exception("jobs.sweep_failed")
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Free what dead workers hold, end what should have stopped, vouch for the
        living."""
        async with self._database.reading() as session:
            holders = await JobStore(session, self._clock).workers()
            stranded = await FamilyStore(session, self._clock).stranded()
        if holders:
            await self._vouch(holders)
            await self._end_stuck(holders)
        dead = [w for w in holders if is_local(w) and not is_alive(w)]
        if holders:
            freed = []
            async with self._database.writing() as session:
                store = JobStore(session, self._clock)
                for worker in dead:
                    freed += await store.free_worker(worker)
                freed += await store.free_lapsed()
            self._tell(freed, store.woken)
        for parent_id in stranded:
            async with self._database.writing() as session:
                families = FamilyStore(session, self._clock)
                await families.wake(parent_id)
            self._tell([job.id for job in families.woken], families.woken)

    async def _vouch(self, holders: list[str]) -> None:
        now = time.monotonic()
        if now < self._next_vouch:
            return
        self._next_vouch = now + self._timing.beat
        living = [c.identity for c in self._children() if is_responsive(c.pid)]
        async with self._database.writing() as session:
            store = JobStore(session, self._clock)
            for worker in set(living) & set(holders):
                await store.vouch(worker, self._timing.lease)

    async def _end_stuck(self, holders: list[str]) -> None:
        """Kill a worker whose job should have ended and whose own watch could not
        see to it: code that never lets go of the interpreter lock."""
        grace = self._timing.grace + self._timing.patience
        for child in self._children():
            if child.identity not in holders or not is_responsive(child.pid):
                continue
            async with self._database.reading() as session:
                store = JobStore(session, self._clock)
                stuck = await store.overdue(child.identity, grace)
            if stuck:
                log.error("worker.stuck", worker=child.identity, job_id=stuck[0])
                child.signal(signal.SIGKILL)

    def _children(self) -> list[Child]:
        return list(self._nursery.children.values())

    def _tell(self, freed: list[str], woken: list[Waiting]) -> None:
        if freed:
            log.warning("jobs.freed", count=len(freed))
            self._workers_bell.ring()
            self._servers_bell.ring()
        if woken:
            self._bell.ring(*woken)
