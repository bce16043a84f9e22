"""Every access to the jobs tables within one session; it never commits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.clock import Clock
from foretell.core.db import is_unique_violation
from foretell.core.ids import lowest_id
from foretell.jobs import endings
from foretell.jobs.adding import Insertion, NewJob, insert_many
from foretell.jobs.claims import Claim, Work
from foretell.jobs.endings import Ending
from foretell.jobs.errors import JobExpired, UniqueKeyTaken
from foretell.jobs.failures import problem_of
from foretell.jobs.ports import Waiting
from foretell.jobs.statements import (
    CLAIM_COLUMNS,
    NOTIFY,
    active_key,
    statements_for,
)
from foretell.jobs.tables import Job, JobAttempt, JobQueue, JobState

# More at once wake nobody who is not awake by then.
_RINGS = 200
# Changes that one look at what changed lately tells of.
_WINDOW = 5_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a list holds."""

    owner_id: str | None = None
    state: JobState | None = None
    task: str | None = None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue: whether its jobs may begin, and how many there are."""

    name: str
    paused: bool
    queued: int = 0
    running: int = 0


class JobStore:
    """The jobs tables, seen through one session.

    Attributes:
        woken: Jobs that came into the queue or back to it, to be told to workers
            after the commit. PostgreSQL tells its own listeners with it.
    """

    def __init__(self, session: AsyncSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._dialect = session.get_bind().dialect
        self._sql = statements_for(self._dialect.name)
        self.woken: list[Waiting] = []

    # --- for callers ---------------------------------------------------------

    async def add(self, new: NewJob) -> tuple[Job, bool]:
        """Store a job, or find the active one that holds its unique key.

        Returns:
            The job, and whether it is new.
        """
        key = active_key(new.owner_id, new.task, new.unique_key)
        if key is None:
            return await self._insert(new, None), True
        while True:
            found = await self.find_active(key)
            if found is not None:
                return found, False
            try:
                async with self._session.begin_nested():
                    return await self._insert(new, key), True
            except IntegrityError as error:
                if not is_unique_violation(error):
                    raise
            found = await self.find_active(key, lock=True)
            if found is not None:
                return found, False

    async def add_many(self, news: Iterable[NewJob]) -> list[str]:
        """Store jobs without unique keys, in one go; answers their ids."""
        waiting = await self._session.run_sync(insert_many, news, self._clock.now())
        # A worker that was woken goes on until nothing is due.
        self.woken += waiting[:_RINGS]
        return [job.id for job in waiting]

    async def _insert(self, new: NewJob, key: str | None) -> Job:
        insertion = Insertion(self._dialect, new, key, self._clock.now())
        stored: Job | str | None
        stored = insertion.at_leisure(self._session.sync_session)
        if stored is None:
            # One trip into SQLAlchemy's world of greenlets, not the two of a session.
            stored = await self._session.run_sync(insertion.run)
        self.woken.append(insertion.waiting)
        return stored if isinstance(stored, Job) else await self._read(stored)

    async def _read(self, job_id: str) -> Job:
        found = await self.find(job_id)
        assert found is not None  # noqa: S101 - written in this transaction
        return found

    async def find(self, job_id: str) -> Job | None:
        statement = select(Job).where(Job.id == job_id)
        fresh = statement.execution_options(populate_existing=True)
        return (await self._session.scalars(fresh)).one_or_none()

    async def is_any_unfinished(self, task: str, before: datetime) -> bool:
        """Whether a job of that task from before a moment waits or runs."""
        statement = select(Job.id).where(
            Job.task == task,
            Job.id < lowest_id(before),
            Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
        )
        return await self._session.scalar(statement.limit(1)) is not None

    async def find_active(self, key: str, *, lock: bool = False) -> Job | None:
        statement = self._sql.active_job(key, lock=lock)
        return (await self._session.scalars(statement)).one_or_none()

    async def list_page(
        self, wanted: Filter, *, before: str | None, limit: int
    ) -> list[Job]:
        """Jobs from the newest on, older than the id `before`; one more than
        `limit` when there are more."""
        statement = _filtered(select(Job), wanted).order_by(Job.id.desc())
        if before is not None:
            statement = statement.where(Job.id < before)
        return list(await self._session.scalars(statement.limit(limit + 1)))

    async def attempts(self, job_id: str) -> list[JobAttempt]:
        statement = (
            select(JobAttempt)
            .where(JobAttempt.job_id == job_id)
            .order_by(JobAttempt.token)
        )
        return list(await self._session.scalars(statement))

    async def changed_since(self, moment: float, limit: int = 1_000) -> list[Job]:
        """Jobs that changed at or after `moment` (the database's clock), the oldest
        change first."""
        changed = select(Job).where(Job.changed_at >= moment)
        found = changed.order_by(Job.changed_at).limit(limit)
        return list(await self._session.scalars(found))

    async def positions(
        self, moment: float | None, job_ids: Sequence[str]
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Positions of the jobs that changed at or after `moment` (the database's
        clock), and of those named."""
        columns = select(Job.id, Job.seq)
        changed: dict[str, int] = {}
        if moment is not None:
            recent = columns.where(Job.changed_at >= moment)
            recent = recent.order_by(Job.changed_at.desc()).limit(_WINDOW)
            changed = {i: seq for i, seq in await self._session.execute(recent)}
        named: dict[str, int] = {}
        if job_ids:
            wanted = columns.where(Job.id.in_(job_ids))
            named = {i: seq for i, seq in await self._session.execute(wanted)}
        return changed, named

    async def find_many(self, job_ids: Sequence[str]) -> list[Job]:
        if not job_ids:
            return []
        statement = select(Job).where(Job.id.in_(job_ids))
        return list(await self._session.scalars(statement))

    async def count_active(self) -> dict[str, int]:
        """How many jobs are queued and how many run."""
        rows = await self._session.execute(self._sql.count_active())
        return {state: number for state, number in rows}

    async def oldest_due(self) -> datetime | None:
        """Since when the longest waiting job could run."""
        statement = self._sql.oldest_due(self._clock.now())
        oldest: datetime | None = await self._session.scalar(statement)
        return oldest

    async def cancel(self, job_id: str) -> None:
        """End a queued job now; ask the worker of a running one to stop."""
        now = self._clock.now()
        if await self._changes(self._sql.cancel_queued(job_id, now)):
            await self.tell_parent(job_id)
        else:
            await self._session.execute(self._sql.cancel_running(job_id, now))

    async def tell_parent(self, job_id: str) -> None:
        """A child ended without a worker: its parent counts it off."""
        statement = select(Job.parent_id).where(Job.id == job_id)
        parent_id = await self._session.scalar(statement)
        if parent_id is not None:
            await self._count_off(parent_id)

    async def _count_off(self, parent_id: str) -> None:
        """A child ended; the last one brings its parent back to the queue."""
        told = self._sql.child_ended(parent_id, self._clock.now())
        if await self._changes(told):
            await self.wakes(parent_id)

    async def wakes(self, *job_ids: str) -> None:
        """Note those of the jobs that are in the queue, as far as it wakes anybody."""
        if not job_ids:
            return
        found = await self._session.execute(self._sql.queued(job_ids[:_RINGS]))
        self.woken += [Waiting(*row) for row in found]
        if self.woken and self._dialect.name == "postgresql":
            await self._session.execute(select(NOTIFY))

    async def requeue(self, job: Job) -> bool:
        """Run a failed or cancelled job again.

        Raises:
            UniqueKeyTaken: Another active job holds its unique key.
        """
        key = active_key(job.owner_id, job.task, job.unique_key)
        statement = self._sql.requeue(job.id, key, self._clock.now())
        try:
            async with self._session.begin_nested():
                is_queued = await self._changes(statement)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise UniqueKeyTaken("Another active job has its unique key.") from error
        if is_queued:
            await self.wakes(job.id)
        return is_queued

    async def run_now(self, job_id: str) -> None:
        """Bring a job that waits for its moment forward."""
        await self._session.execute(self._sql.run_now(job_id, self._clock.now()))
        await self.wakes(job_id)

    # --- for workers ---------------------------------------------------------

    async def is_due(self, work: Work) -> bool:
        """Whether a claim would find something; takes no lock."""
        statement = self._sql.due(self._clock.now(), work.tasks, work.queues)
        return await self._session.scalar(statement) is not None

    async def next_due(self, work: Work, seconds: float) -> datetime | None:
        """When the next job is due that will be within so many seconds."""
        now = self._clock.now()
        until = now + timedelta(seconds=seconds)
        statement = self._sql.next_due(now, until, work.tasks)
        found: datetime | None = await self._session.scalar(statement)
        return found

    async def claim(self, work: Work) -> Claim | None:
        """Take the next job, if there is one."""
        now = self._clock.now()
        if self._sql.can_claim_in_one:
            statement = self._sql.claim_next(
                work.tasks, work.queues, work.worker, now, work.lease_seconds
            )
            row = (await self._session.execute(statement)).one_or_none()
            return None if row is None else Claim.of(row)
        due = self._sql.due_locked(now, work.tasks, work.queues)
        job_id = await self._session.scalar(due)
        if job_id is None:
            return None
        return await self.claim_one(job_id, work)

    async def claim_one(self, job_id: str, work: Work) -> Claim | None:
        """Take this very job if it is still queued (what a carrier's message asks)."""
        statement = self._sql.claim(
            job_id, work.worker, self._clock.now(), work.lease_seconds
        )
        if not await self._changes(statement):
            return None
        row = await self._session.execute(
            select(*CLAIM_COLUMNS).where(Job.id == job_id)
        )
        return Claim.of(row.one())

    async def beat(self, claim: Claim, lease_seconds: float) -> bool:
        """Extend the lease; false when the job is no longer ours."""
        now = self._clock.now()
        return await self._changes(
            self._sql.beat(claim.id, claim.token, now, lease_seconds)
        )

    async def write_progress(self, claim: Claim, values: Mapping[str, Any]) -> bool:
        now = self._clock.now()
        return await self._changes(
            self._sql.progress(claim.id, claim.token, values, now)
        )

    async def is_cancel_asked(self, claim: Claim) -> bool | None:
        """Whether the job should stop; `None` when it is no longer ours."""
        found = await self._session.execute(self._sql.pulse(claim.id, claim.token))
        row = found.one_or_none()
        return None if row is None else row[0] is not None

    async def end(
        self, claim: Any, ending: Ending, progress: Mapping[str, Any] | None = None
    ) -> bool:
        """Write how a try ended; false, and nothing written, if the token is old.

        A job that would go back to the queue ends if its cancellation was asked for.
        """
        now = self._clock.now()
        values = {**(progress or {}), **ending.values}
        is_final = ending.state.is_final
        statement = self._sql.end(claim.id, claim.token, values, now, is_final=is_final)
        if not await self._changes(statement):
            if is_final:
                return False
            return await self.end(claim, endings.cancelled(now), progress)
        await self._session.execute(
            self._sql.attempt_ended(claim, ending.outcome, now, ending.error)
        )
        if is_final and claim.parent_id is not None:
            await self._count_off(claim.parent_id)
        if ending.state == JobState.QUEUED:
            await self.wakes(claim.id)
        return True

    async def is_ended_by(self, claim: Claim) -> bool:
        """Whether a try under this token ended: asked after a commit whose answer
        was lost."""
        statement = select(JobAttempt.token).where(
            JobAttempt.job_id == claim.id, JobAttempt.token == claim.token
        )
        return await self._session.scalar(statement) is not None

    # --- for supervisors -----------------------------------------------------

    async def vouch(self, worker: str, lease_seconds: float) -> None:
        now = self._clock.now()
        await self._session.execute(self._sql.vouch(worker, now, lease_seconds))

    async def workers(self) -> list[str]:
        return [w for w in await self._session.scalars(self._sql.workers()) if w]

    async def free_worker(self, worker: str) -> list[str]:
        """Free the jobs of a worker that is gone; answers their ids."""
        return await self._free(self._sql.running_of(worker))

    async def free_lapsed(self) -> list[str]:
        """Free jobs whose lease passed; answers their ids."""
        return await self._free(self._sql.lapsed(self._clock.now()))

    async def overdue(self, worker: str, grace_seconds: float) -> list[str]:
        now = self._clock.now()
        statement = self._sql.overdue(worker, now, grace_seconds)
        return list(await self._session.scalars(statement))

    async def expire(self) -> int:
        """Fail jobs that did not begin in time; answers how many."""
        now = self._clock.now()
        error = problem_of(JobExpired())
        count = 0
        for job_id in list(await self._session.scalars(self._sql.expired(now))):
            if await self._changes(self._sql.expire(job_id, error, now)):
                await self.tell_parent(job_id)
                count += 1
        return count

    async def has_expired(self) -> bool:
        statement = self._sql.expired(self._clock.now()).limit(1)
        return await self._session.scalar(statement) is not None

    async def queues(self) -> list[QueueState]:
        """Queues that hold active jobs or are paused, by name."""
        found: dict[str, QueueState] = {}
        paused = select(JobQueue.name).where(JobQueue.is_paused.is_(True))
        for name in await self._session.scalars(paused):
            found[name] = QueueState(name, paused=True)
        for name, state, count in await self._session.execute(self._sql.queue_counts()):
            queue = found.setdefault(name, QueueState(name, paused=False))
            if state == JobState.RUNNING:
                found[name] = replace(queue, running=count)
            else:
                found[name] = replace(queue, queued=count)
        return [found[name] for name in sorted(found)]

    async def set_queue(self, name: str, *, is_paused: bool) -> None:
        """Pause a queue or open it."""
        row = await self._session.get(JobQueue, name, with_for_update=True)
        if row is None:
            row = JobQueue(name=name)
            self._session.add(row)
        row.is_paused, row.changed_at = is_paused, self._clock.now()
        await self._session.flush()
        if not is_paused:
            now = self._clock.now()
            found = await self._session.execute(self._sql.queued_in(name, now))
            await self.wakes(*(job_id for job_id, _ in found))

    async def is_within_limit(self, claim: Claim) -> bool:
        """Whether a claimed job's concurrency key allows it, counting what runs now.

        Claims of the same moment may all have found room for one more. Each looks
        again after its own is visible, behind the locks of the others, so that of
        two in excess at least one steps back and never both of two that fit.
        """
        if claim.concurrency_key is None or self._dialect.name == "sqlite":
            return True
        running = await self._session.scalars(
            self._sql.running_with(claim.concurrency_key)
        )
        return len(list(running)) <= (claim.concurrency_limit or 1)

    async def _free(self, statement: Select[Any]) -> list[str]:
        jobs = list(await self._session.scalars(statement))
        if not jobs:
            return []
        now = self._clock.now()
        clock = float(await self._session.scalar(self._sql.clock_now(now)) or 0)
        freed = []
        for job in jobs:
            ending = endings.worker_died(
                job,
                now,
                is_cancelled=job.cancel_at is not None,
                is_overdue=job.deadline is not None and job.deadline < clock,
            )
            if await self.end(job, ending):
                freed.append(job.id)
        return freed

    async def database_clock(self) -> float:
        now = self._clock.now()
        return float(await self._session.scalar(self._sql.clock_now(now)) or 0)

    async def _changes(self, statement: Any) -> bool:
        result = await self._session.execute(statement)
        return isinstance(result, CursorResult) and result.rowcount > 0


def _filtered(statement: Select[Any], wanted: Filter) -> Select[Any]:
    conditions = {
        Job.owner_id: wanted.owner_id,
        Job.state: wanted.state,
        Job.task: wanted.task,
        Job.parent_id: wanted.parent_id,
    }
    for column, value in conditions.items():
        if value is not None:
            statement = statement.where(column == value)
    return statement
