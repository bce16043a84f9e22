"""The worker process: claims jobs and runs them one after the other.

Forked from the nursery on the supervisor's word. It wakes when somebody rings or the
next job is due, looks once a second anyway, stops tidily on SIGTERM and dies with the
process that started it.
"""

import asyncio
import ctypes
import os
import signal
import sys
from contextlib import aclosing, suppress
from pathlib import Path

from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.errors import Unavailable
from foretell.jobs import interrupts
from foretell.jobs.choosing import find_carrier
from foretell.jobs.claims import Claim
from foretell.jobs.composition import Composition
from foretell.jobs.doorbell import Doorbell, Listener, socket_folder
from foretell.jobs.ears import database_ears
from foretell.jobs.feed import Feed
from foretell.jobs.identity import worker_identity
from foretell.jobs.ledgers import open_ledger
from foretell.jobs.ports import Ear
from foretell.jobs.runner import Runner
from foretell.jobs.sending_store import SendingStore
from foretell.jobs.watch import EXIT_ORPHANED, Watch

_PR_SET_PDEATHSIG = 1
_DATABASE_WAIT_SECONDS = 1.0
log = get_logger(__name__)


class Worker:
    """One process's loop over jobs.

    Args:
        parent: Process id whose end ends this worker; `None` for a worker of its
            own.
    """

    def __init__(self, composition: Composition, *, parent: int | None = None) -> None:
        self._parts = composition
        self._parent = parent
        self._is_stopping = False
        self._rung = asyncio.Event()
        self._feed: Feed | None = None
        timing = composition.timing
        self._poll = timing.fed_poll if composition.executor else timing.poll

    async def run(self) -> None:
        """Work until SIGTERM."""
        parts = self._parts
        folder = socket_folder(parts.data_dir)
        bell = Doorbell(folder, "server")
        workers_bell = Doorbell(folder, "worker")
        database = parts.make_database()
        ears = self._open_ears(folder, database)
        watch = Watch(
            parts.make_database, parts.clock, parts.timing, bell, parent=self._parent
        )
        try:
            async with parts.services(database) as services:
                runner = Runner(
                    parts,
                    database,
                    services,
                    worker_identity(),
                    watch=watch,
                    bell=bell,
                    workers_bell=find_carrier(services) or workers_bell,
                    ledger_of=open_ledger,
                )
                self._take_signals(runner)
                watch.start()
                await self._open_feed(database)
                async with aclosing(runner):
                    await self._work(runner)
        finally:
            if self._feed is not None:
                self._feed.close()
            for ear in ears:
                ear.close()
            watch.close()
            bell.close()
            workers_bell.close()
            await database.close()

    def _open_ears(self, folder: Path | None, database: Database) -> list[Ear]:
        """Hear whoever makes work: on this host, at the database, and elsewhere."""
        rung = self._rung.set
        ears: list[Ear] = [Listener(folder, "worker", rung)]
        if self._parts.executor is None:
            ears += database_ears(database, rung)
        return [*ears, *(open_ear("worker", rung) for open_ear in self._parts.ears)]

    async def _open_feed(self, database: Database) -> None:
        """Receive from the queues it was told, or from all that it can know of."""
        parts = self._parts
        if parts.executor is None:
            return
        queues = set(parts.queues)
        if not queues:
            queues = {task.queue for task in parts.registry} | {"default"}
            with suppress(Unavailable):
                async with database.reading() as session:
                    queues.update(await SendingStore(session).queues())
        self._feed = Feed(parts.executor, queues, self._rung.set)
        self._feed.start()

    def _take_signals(self, runner: Runner) -> None:
        loop = asyncio.get_running_loop()
        # Ctrl-C reaches the whole terminal group; the supervisor decides what then.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop.add_signal_handler(signal.SIGTERM, self._drain, runner)
        interrupts.install()

    def _drain(self, runner: Runner) -> None:
        """Claim no more; the running job has `Timing.drain` seconds to end."""
        self._is_stopping = True
        self._rung.set()
        loop = asyncio.get_running_loop()
        loop.call_later(self._parts.timing.drain, runner.stop, "drain")

    async def _work(self, runner: Runner) -> None:
        claim: Claim | None = None
        has_rung, is_unsure = True, False
        while not self._is_stopping:
            self._rung.clear()
            try:
                if is_unsure:
                    await runner.free_own()
                    is_unsure = False
                if claim is None and (has_rung or await runner.is_due()):
                    claim = await runner.claim()
                while claim is not None and not self._is_stopping:
                    if self._feed is not None:
                        self._feed.serve_also(claim.queue)
                    claim = await runner.run(claim, wants_next=not self._is_stopping)
            except Unavailable:
                log.warning("worker.database_away")
                # The lost answer may have been to a claim or an end.
                claim, is_unsure = None, True
                await asyncio.sleep(_DATABASE_WAIT_SECONDS)
                seconds = self._poll
            else:
                seconds = await self._until_due(runner)
            if self._feed is not None:
                self._feed.worker_is_free()
            has_rung = await self._wait(seconds)
        if claim is not None:
            await runner.release(claim)

    async def _until_due(self, runner: Runner) -> float:
        """Seconds to the next look, when nothing rings."""
        if self._is_stopping:
            return 0.0
        try:
            return await runner.until_due(self._poll)
        except Unavailable:
            return self._poll

    async def _wait(self, seconds: float) -> bool:
        """Wait for the bell, but no longer; true when it rang."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        return True


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (Linux).

    Elsewhere, and for what happened before this call, the watch compares parents.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(EXIT_ORPHANED)
