"""Hands the ids of jobs to an executor, and again when they seem to be lost.

A job's row is committed before its id is sent, so that nothing the broker does can lose
it. The sending happens on a thread of its own: neither a request nor the event loop
ever waits for the broker. What could not be sent, or was sent and lost, is still
`queued` in the table; the sweep finds it there and sends it with doubling pauses.
"""

import heapq
import queue
import threading
import time
from datetime import timedelta

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.errors import Unavailable
from foretell.jobs.ports import Executor, Waiting
from foretell.jobs.sending_store import SendingStore

# A broker that lost an id is rare, a busy one is not: time for the first delivery.
FIRST_WAIT_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 600.0
# What a sweep may hand over, so that a broker which was away is not flooded.
_SWEPT = 200
_WAITING = 10_000
_REST_SECONDS = (1.0, 10.0)  # after the first failure, and at most
_LEAVING_SECONDS = 0.2
# A job for later than this is left to the sweep, which comes once a second.
_SOON_SECONDS = 60.0
# The sweep may cost this part of a server's time, however long the table is.
_SWEEP_SHARE = 1 / 20
log = get_logger(__name__)


class Carrier:
    """One process's hand to the executor; a `Bell` for whoever submits jobs."""

    def __init__(self, executor: Executor, database: Database, clock: Clock) -> None:
        self._executor = executor
        self._database = database
        self._clock = clock
        self._waiting: queue.Queue[Waiting] = queue.Queue(_WAITING)
        self._later: list[tuple[float, Waiting]] = []  # of the thread alone
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._rests_until = 0.0
        self._rest = _REST_SECONDS[0]
        self._next_sweep = 0.0

    @property
    def executor(self) -> Executor:
        return self._executor

    @property
    def is_resting(self) -> bool:
        """Whether the broker did not answer a moment ago."""
        return time.monotonic() < self._rests_until

    def ring(self, *jobs: Waiting) -> None:
        """Send the ids soon, or when they are due. What finds no room or no broker is
        left to the sweep."""
        if jobs and self._thread is None:
            self._thread = threading.Thread(
                target=self._send_for_ever, name="job-carrier", daemon=True
            )
            self._thread.start()
        for job in () if self.is_resting else jobs:
            try:
                self._waiting.put_nowait(job)
            except queue.Full:
                return

    async def sweep(self) -> None:
        """Send the ids of jobs that wait and were not sent lately."""
        began = time.monotonic()
        if self.is_resting or began < self._next_sweep:
            return
        now = self._clock.now()
        async with self._database.reading() as session:
            first_wait = timedelta(seconds=FIRST_WAIT_SECONDS)
            store = SendingStore(session)
            due = await store.due(now, first_wait, _SWEPT)
        if due:
            async with self._database.writing() as session:
                store = SendingStore(session)
                noted = []
                for job in due:
                    waited = (now - job.run_at).total_seconds()
                    wait = min(max(waited, FIRST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
                    if await store.note_sent(job.id, now, wait):
                        noted.append(Waiting(job.id, job.queue))
            # After the commit: another process may have been first.
            self.ring(*noted)
        took = time.monotonic() - began
        self._next_sweep = began + took / _SWEEP_SHARE

    def close(self) -> None:
        """Stop sending; what still waits is found by another process's sweep."""
        self._is_closed.set()
        if self._thread is not None:
            # It may hang in a call to a broker that does not answer; it is a daemon.
            self._thread.join(_LEAVING_SECONDS)
        else:
            self._executor.close()

    def _send_for_ever(self) -> None:
        while True:
            self._send_what_is_due()
            try:
                job = self._waiting.get(timeout=self._pause_seconds())
            except queue.Empty:
                if self._is_closed.is_set():
                    break
                continue
            self._send_or_keep(job)
        self._executor.close()

    def _send_or_keep(self, job: Waiting) -> None:
        seconds = 0.0
        if job.run_at is not None:
            seconds = (job.run_at - self._clock.now()).total_seconds()
        if seconds <= 0:
            self._send(job)
        elif seconds <= _SOON_SECONDS and len(self._later) < _WAITING:
            heapq.heappush(self._later, (time.monotonic() + seconds, job))

    def _send_what_is_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            _, job = heapq.heappop(self._later)
            if not self.is_resting:
                self._send(job)

    def _pause_seconds(self) -> float:
        pause = _LEAVING_SECONDS / 2
        if self._later:
            pause = min(pause, max(0.0, self._later[0][0] - time.monotonic()))
        return pause

    def _send(self, job: Waiting) -> None:
        try:
            self._executor.send(job.id, job.queue)
            self._rest = _REST_SECONDS[0]
        except Unavailable as error:
            log.warning("broker.away", reason=error.detail)
            self._pause()
        except Exception:
            # The library of a broker, or somebody's executor, may raise anything; this
            # thread is the only one that sends, and the sweep sends this id again.
            log.exception("broker.send_failed")
            self._pause()

    def _pause(self) -> None:
        self._rests_until = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, _REST_SECONDS[1])
        while not self._waiting.empty():
            self._waiting.get_nowait()
