"""Runs one try of one job: the same for every executor.

Completion is one transaction: what the task published in `job.session()`, the new
state of the job and, if wanted, the claim of the next job commit together, or not
at all when the claim was lost meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.core.parts import Parts
from foretell.core.principal import Principal, Role
from foretell.errors import Forbidden, Unavailable
from foretell.jobs import endings
from foretell.jobs.claims import Claim, Work
from foretell.jobs.composition import Composition
from foretell.jobs.context import Children, JobContext
from foretell.jobs.endings import Ending
from foretell.jobs.errors import JobLost, TaskFailed
from foretell.jobs.failures import frames_of, problem_of, wait_before_retry
from foretell.jobs.families import FamilyStore
from foretell.jobs.fanout import FanOut, Shard
from foretell.jobs.interrupts import JobInterrupted, call_task
from foretell.jobs.ledger import Ledger, SessionLedger
from foretell.jobs.logs import JobLog, log_path
from foretell.jobs.ports import Bell, SilentBell, Waiting
from foretell.jobs.registry import Task, jsonable
from foretell.jobs.store import JobStore
from foretell.jobs.tables import JobState
from foretell.jobs.watch import Watch

_NEWER_WAIT_SECONDS = 30
_KEY_WAIT_SECONDS = 1
T = TypeVar("T")
log = get_logger(__name__)


class OwnerGone(Forbidden):
    """The job's owner was disabled or deleted."""

    slug = "job-owner-gone"


class _Discarded(Exception):
    pass


class Publication:
    """The unit of work of one try, opened when the task first asks for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stack = AsyncExitStack()
        self.session: AsyncSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncSession]:
        if self.session is None:
            self.session = await self._stack.enter_async_context(
                self._database.writing()
            )
        try:
            yield self.session
        except BaseException:
            await self.discard()
            raise

    async def commit(self) -> None:
        self.session = None
        await self._stack.aclose()

    async def discard(self) -> None:
        """Roll back; the task may open another one."""
        if self.session is not None:
            self.session = None
            with suppress(Unavailable):
                await self._stack.__aexit__(_Discarded, _Discarded(), None)


@dataclass(slots=True)
class Try:
    """One try while it runs."""

    claim: Claim
    context: JobContext
    log: JobLog
    publication: Publication


class Runner:
    """Claims and runs jobs, one at a time.

    Args:
        watch: Looks after the running job; `None` in tests that drive a clock.
        bell: Rung when a job changed (for event streams of servers).
        workers_bell: Told which jobs came into the queue, or back to it.
        ledger_of: How claims and ends reach the table (`open_ledger` in workers).
    """

    def __init__(
        self,
        composition: Composition,
        database: Database,
        services: Parts,
        worker: str,
        *,
        watch: Watch | None = None,
        bell: Bell | None = None,
        workers_bell: Bell | None = None,
        ledger_of: Callable[[Database, Work, Clock], Ledger] = SessionLedger,
    ) -> None:
        self._parts = composition
        self._database = database
        self._services = services
        self._system = Principal(
            "system", "", Role.ADMIN, services.permissions.scopes_of(Role.ADMIN), "job"
        )
        self._watch = watch
        self._bell = bell or SilentBell()
        self._workers_bell = workers_bell or SilentBell()
        self._stop: Callable[[str], None] | None = None
        self.work = Work(
            worker,
            composition.registry.names(),
            composition.queues,
            composition.timing.lease,
        )
        self._ledger = ledger_of(database, self.work, composition.clock)
        self._woken: list[Waiting] = []

    async def claim(self) -> Claim | None:
        """Take the next due job."""
        return await self._admitted(await self._ledger.claim())

    async def _admitted(self, claim: Claim | None) -> Claim | None:
        """The claim, unless its concurrency key is in use already: then it waits."""
        if claim is None or claim.concurrency_key is None:
            return claim
        async with self._database.writing() as session:
            store = self._store(session)
            if await store.is_within_limit(claim):
                return claim
            later = self._parts.clock.now() + timedelta(seconds=_KEY_WAIT_SECONDS)
            await store.end(claim, endings.released(claim, later))
        self._woken += store.woken
        return None

    async def is_due(self) -> bool:
        """Whether there is work, without taking the write lock."""
        return await self._ledger.is_due()

    async def until_due(self, seconds: float) -> float:
        """How many seconds to wait for the next job that is due by itself; so many
        if there is none."""
        due = await self._ledger.next_due(seconds)
        if due is None:
            return seconds
        return max(0.0, (due - self._parts.clock.now()).total_seconds())

    async def release(self, claim: Claim) -> None:
        """Give a job back that was claimed and will not be run here."""
        ending = endings.released(claim, self._parts.clock.now())
        with suppress(JobLost):
            await self._settle(claim, ending, False)
        self._tell(None)

    def _tell(self, mine: Claim | None) -> None:
        """Tell workers what came back to the queue, but for what is ours now."""
        woken = {job.id: job for job in [*self._ledger.woken, *self._woken]}
        self._ledger.woken, self._woken = [], []
        if mine is not None:
            woken.pop(mine.id, None)
        if woken:
            self._workers_bell.ring(*woken.values())

    async def aclose(self) -> None:
        await self._ledger.close()

    async def free_own(self) -> None:
        """Free what this worker seems to hold although it runs nothing: the rest of
        a commit whose answer was lost."""
        async with self._database.writing() as session:
            store = self._store(session)
            await store.free_worker(self.work.worker)
        self._woken += store.woken
        self._tell(None)

    def stop(self, reason: str) -> None:
        """Tell the running task to stop; on the loop's thread."""
        if self._stop is not None:
            self._stop(reason)

    async def run(self, claim: Claim, *, wants_next: bool = False) -> Claim | None:
        """Run one try to its end; answers the next claim if one was wanted.

        Never raises for what the task does.

        Raises:
            Unavailable: The database stayed away; the job still looks as if it ran
                here (`free_own`).
        """
        job_log = JobLog(log_path(self._parts.data_dir, claim.id))
        structlog.contextvars.bind_contextvars(job_id=claim.id)
        following: Claim | None = None
        try:
            with job_log.capturing():
                following = await self._run(claim, job_log, wants_next=wants_next)
            if following is None and wants_next and claim.parent_id is not None:
                # The end of the last child may have made its parent due.
                following = await self._ledger.claim()
            following = await self._admitted(following)
            return following
        except JobLost:
            job_log.write("another worker has this job now; what this try did is void")
            log.warning("job.lost", token=claim.token)
            return None
        except Unavailable:
            log.error("job.end_not_written")
            raise
        finally:
            structlog.contextvars.unbind_contextvars("job_id")
            job_log.close()
            self._bell.ring()
            self._tell(following)

    async def _run(
        self, claim: Claim, job_log: JobLog, *, wants_next: bool
    ) -> Claim | None:
        task = self._parts.registry.get(claim.task)
        if claim.args_version > task.version:
            # Written by a newer release: it waits for a worker of that release.
            later = self._parts.clock.now() + timedelta(seconds=_NEWER_WAIT_SECONDS)
            return await self._settle(claim, endings.released(claim, later), wants_next)
        publication = Publication(self._database)
        context = JobContext(
            claim,
            self._system,
            self._services,
            job_log,
            publication.open,
            self._parts.registry,
            Children(self._shards, self._first_args),
        )
        attempt = Try(claim, context, job_log, publication)
        if claim.attempt > 1:
            job_log.write(f"attempt {claim.attempt} of {claim.max_attempts}")
        try:
            context.principal = await self._principal(claim)
            args = task.load(claim.args_version, claim.args)
            result = await self._invoke(task, attempt, args)
            return await self._succeed(attempt, result, wants_next)
        except JobLost:
            await publication.discard()
            raise
        except FanOut as fan:
            return await self._fan_out(attempt, fan, wants_next)
        except (asyncio.CancelledError, JobInterrupted) as error:
            await publication.discard()
            ending = self._stopped(attempt, error)
        except Exception as error:
            await publication.discard()
            ending = self._failed(attempt, error)
        return await self._settle(claim, ending, wants_next, context)

    async def _principal(self, claim: Claim) -> Principal:
        if claim.owner_id is None:
            return self._system
        found = await self._parts.principal_of(self._database, claim.owner_id)
        if found is None:
            raise OwnerGone("The owner of this job may not act any more.")
        return found

    async def _invoke(self, task: Task, attempt: Try, args: BaseModel) -> Any:
        loop = asyncio.get_running_loop()
        context = attempt.context
        running = asyncio.ensure_future(
            call_task(lambda: task.call(context, args), is_async=task.is_async)
        )

        def stop(reason: str) -> None:
            context.stop_reason = context.stop_reason or reason
            running.cancel()

        self._stop = stop
        if self._watch is not None:
            self._watch.begin(
                attempt.claim,
                context,
                lambda reason: _call_soon(loop, stop, reason),
            )
        try:
            return await running
        finally:
            if self._watch is not None:
                self._watch.end()
            self._stop = None

    async def _shards(self, parent_id: str, stage: int) -> list[Shard]:
        async with self._database.reading() as session:
            families = FamilyStore(session, self._parts.clock)
            return await families.shards(parent_id, stage)

    async def _first_args(self, parent_id: str, stage: int) -> Any:
        async with self._database.reading() as session:
            families = FamilyStore(session, self._parts.clock)
            return await families.first_args(parent_id, stage)

    async def _fan_out(
        self, attempt: Try, fan: FanOut, wants_next: bool
    ) -> Claim | None:
        """Let the job wait for its children, and make them if there are none."""
        claim = attempt.claim
        if attempt.publication.session is not None:
            await attempt.publication.discard()
            error = TaskFailed("job.map() comes before job.session(), not after.")
            ending = self._failed(attempt, error)
            return await self._settle(claim, ending, wants_next, attempt.context)

        async def write() -> Claim | None:
            async with self._database.writing() as session:
                families = FamilyStore(session, self._parts.clock)
                if not await families.suspend(claim, fan):
                    raise JobLost
                following = (
                    await self._store(session).claim(self.work) if wants_next else None
                )
            self._woken += families.woken
            return following

        return await self._once(claim, write)

    async def _succeed(
        self, attempt: Try, result: Any, wants_next: bool
    ) -> Claim | None:
        claim, context = attempt.claim, attempt.context
        now = self._parts.clock.now()
        ending = endings.succeeded(jsonable(result), context.target, now)
        session = attempt.publication.session
        if session is None:
            return await self._settle(claim, ending, wants_next, context)
        store = self._store(session)
        if not await store.end(claim, ending, context.current.columns()):
            raise JobLost
        following = await store.claim(self.work) if wants_next else None
        try:
            await attempt.publication.commit()
        except Unavailable:
            # The answer to COMMIT was lost: it may have happened.
            if not await self._patiently(lambda: self._is_ended(claim)):
                raise
            await self._patiently(self.free_own)
            following = None
        self._woken += store.woken
        return following

    def _stopped(self, attempt: Try, error: BaseException) -> Ending:
        reason = attempt.context.stop_reason
        now = self._parts.clock.now()
        if reason == "cancelled":
            attempt.log.write("cancelled", "WARNING")
            return endings.cancelled(now)
        if reason == "timeout":
            attempt.log.write("time limit reached", "WARNING")
            return endings.timed_out(attempt.claim, now)
        if reason == "drain":
            attempt.log.write("stopped with its worker; it will run again")
            return endings.released(attempt.claim, now)
        if reason == "lost":
            raise JobLost
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise error
        return self._failed(attempt, error)

    def _failed(self, attempt: Try, error: BaseException) -> Ending:
        claim = attempt.claim
        wait = wait_before_retry(error)
        delay = (
            None if wait is None else endings.retry_delay(claim.attempt, at_least=wait)
        )
        problem = problem_of(error)
        ending = endings.failed(claim, problem, delay, self._parts.clock.now())
        lines = [f"{type(error).__name__}: {_message_of(error)}", *frames_of(error)]
        attempt.log.write("\n".join(lines), "ERROR")
        log.warning(
            "job.try_failed",
            task=claim.task,
            attempt=claim.attempt,
            will_retry=not ending.state.is_final,
            exc_info=error,
        )
        return ending

    async def _settle(
        self,
        claim: Claim,
        ending: Ending,
        wants_next: bool,
        context: JobContext | None = None,
    ) -> Claim | None:
        """Write the end in a transaction of its own."""

        async def write() -> Claim | None:
            progress = context.current.columns() if context else None
            return await self._ledger.settle(claim, ending, progress, wants_next)

        following = await self._once(claim, write)
        if ending.state == JobState.QUEUED:
            run_at = ending.values.get("run_at")
            self._woken.append(Waiting(claim.id, claim.queue, run_at))
        return following

    async def _once(
        self, claim: Claim, write: Callable[[], Awaitable[Claim | None]]
    ) -> Claim | None:
        """Write the end of a try again until it stands, and not twice."""
        is_first = True

        async def carefully() -> Claim | None:
            nonlocal is_first
            if not is_first and await self._is_ended(claim):
                await self.free_own()
                return None
            is_first = False
            return await write()

        return await self._patiently(carefully)

    async def _is_ended(self, claim: Claim) -> bool:
        async with self._database.reading() as session:
            return await self._store(session).is_ended_by(claim)

    async def _patiently(self, write: Callable[[], Awaitable[T]]) -> T:
        """Repeat while the database is away, for as long as the lease may last."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._parts.timing.lease
        delay = 0.1
        while True:
            try:
                return await write()
            except Unavailable:
                if loop.time() + delay > until:
                    raise
                await asyncio.sleep(delay)
                delay = min(2 * delay, 2.0)

    def _store(self, session: AsyncSession) -> JobStore:
        return JobStore(session, self._parts.clock)


def _call_soon(
    loop: asyncio.AbstractEventLoop, stop: Callable[[str], None], reason: str
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop, reason)


def _message_of(error: BaseException) -> str:
    # These quote: a statement with its values, a path of the server.
    if type(error).__module__.partition(".")[0] == "sqlalchemy":
        return "(a database error)"
    if isinstance(error, OSError):
        return error.strerror or "(an error of the system)"
    return str(error)
