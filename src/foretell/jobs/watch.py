"""The worker's watch over its running job, on a thread with its own event loop.

It keeps the lease, writes progress, and notices a cancellation, a passed time limit
or a lost claim, while the main thread may be busy in the task's code. Being a
thread it starves if that code holds the interpreter lock; then the supervisor keeps
the lease and ends the process (`Timing.patience`).
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.errors import Unavailable
from foretell.jobs.claims import Claim
from foretell.jobs.composition import Timing
from foretell.jobs.context import JobContext
from foretell.jobs.interrupts import interrupt_main_thread
from foretell.jobs.ports import Bell
from foretell.jobs.store import JobStore

EXIT_STUCK = 75
EXIT_ORPHANED = 76
log = get_logger(__name__)


@dataclass(slots=True)
class Watched:
    """The job under watch. `stop` is safe to call from any thread."""

    claim: Claim
    context: JobContext
    stop: Callable[[str], None]
    deadline: float
    next_beat: float
    next_write: float = 0.0
    stopping_since: float | None = None


class Watch:
    """Watches one job at a time.

    Args:
        bell: Rung when something visible was written.
        parent: Process whose death ends this one (`None`: nobody's child).
        end_process: What happens to a task that does not stop; `os._exit`.
    """

    def __init__(
        self,
        make_database: Callable[[], Database],
        clock: Clock,
        timing: Timing,
        bell: Bell,
        *,
        parent: int | None = None,
        end_process: Callable[[int], None] = os._exit,
    ) -> None:
        self._make_database = make_database
        self._clock = clock
        self._timing = timing
        self._bell = bell
        self._parent = parent
        self._end_process = end_process
        self._watched: Watched | None = None
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join(timeout=5)

    def begin(
        self, claim: Claim, context: JobContext, stop: Callable[[str], None]
    ) -> None:
        now = time.monotonic()
        self._watched = Watched(
            claim,
            context,
            stop,
            deadline=now + claim.timeout_seconds,
            next_beat=now + self._timing.beat,
        )

    def end(self) -> None:
        self._watched = None

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:
            # A worker nobody watches could not be cancelled or lose its lease.
            log.exception("worker.watch_failed")
            self._end_process(EXIT_STUCK)

    async def _main(self) -> None:
        database = self._make_database()
        try:
            while not self._is_closed.is_set():
                await self._look(database)
                await asyncio.sleep(self._timing.pulse)
        finally:
            await database.close()

    async def _look(self, database: Database) -> None:
        if self._parent is not None and os.getppid() != self._parent:
            self._end_process(EXIT_ORPHANED)
        watched = self._watched
        if watched is None:
            return
        if watched.stopping_since is not None:
            self._insist(watched)
            return
        try:
            reason = await self._reason_to_stop(database, watched)
        except Unavailable:
            log.warning("job.watch_without_database", job_id=watched.claim.id)
            return
        if reason is not None and self._watched is watched:
            await self._stop(watched, reason)

    async def _reason_to_stop(self, database: Database, watched: Watched) -> str | None:
        now = time.monotonic()
        if watched.context.stop_reason is not None:
            return watched.context.stop_reason  # the worker is draining
        if now >= watched.deadline:
            return "timeout"
        has_news = watched.context.current.is_dirty and now >= watched.next_write
        if has_news or now >= watched.next_beat:
            await self._write(database, watched, now)
        async with database.reading() as session:
            asked = await JobStore(session, self._clock).is_cancel_asked(watched.claim)
        if asked is None:
            return "lost"
        return "cancelled" if asked else None

    async def _write(self, database: Database, watched: Watched, now: float) -> None:
        current = watched.context.current
        async with database.writing() as session:
            store = JobStore(session, self._clock)
            if current.is_dirty:
                current.is_dirty = False
                watched.next_write = now + self._timing.write
                await store.write_progress(watched.claim, current.columns())
            if now >= watched.next_beat:
                watched.next_beat = now + self._timing.beat
                await store.beat(watched.claim, self._timing.lease)
        self._bell.ring()

    async def _stop(self, watched: Watched, reason: str) -> None:
        watched.stopping_since = time.monotonic()
        watched.stop(reason)
        await asyncio.sleep(self._timing.nudge)
        self._insist(watched)

    def _insist(self, watched: Watched) -> None:
        if self._watched is not watched or watched.stopping_since is None:
            return
        if time.monotonic() - watched.stopping_since > self._timing.grace:
            log.error("job.would_not_stop", job_id=watched.claim.id)
            self._end_process(EXIT_STUCK)
        interrupt_main_thread()
