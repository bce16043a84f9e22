"""Every statement on the jobs tables, built but not run.

They are plain functions so that an asynchronous session and a synchronous one (a
carrier's worker) run the very same SQL. Each write is conditional: on the state it
expects and, for a worker, on the fencing token it was given. That makes all of them
safe to run from any number of processes at any time.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    Insert,
    ScalarSelect,
    Select,
    Update,
    and_,
    bindparam,
    case,
    cast,
    extract,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from foretell.core.db import UtcDateTime
from foretell.jobs.claims import CLAIMED
from foretell.jobs.tables import AttemptOutcome, Job, JobAttempt, JobQueue, JobState

COLUMNS = Job.__table__.c
CLAIM_COLUMNS = [COLUMNS[name] for name in CLAIMED]
# Statements that run thousands of times are compiled once, with these in the place
# of what changes (`foretell.jobs.prepared`).
NOW: Any = bindparam("now", None, type_=UtcDateTime())
CLOCK: Any = bindparam("clock", None, type_=Double())
CHANNEL = "foretell_jobs"
# Said at the commit and once, however often a transaction runs it (PostgreSQL).
NOTIFY: Any = func.pg_notify(CHANNEL, "")
_LIMIT = func.coalesce(Job.concurrency_limit, 1)
_SWEPT = 200
_RETURNING = frozenset({"sqlite", "postgresql"})


def active_key(owner_id: str | None, task: str, unique_key: str | None) -> str | None:
    """Digest under which a unique key is taken: per owner and task, so that nobody
    can block or read another's job by guessing its key."""
    if unique_key is None:
        return None
    text = "\n".join((owner_id or "", task, unique_key))
    return hashlib.sha256(text.encode()).hexdigest()


def _is(job_id: str | Sequence[str]) -> ColumnElement[bool]:
    return Job.id == job_id if isinstance(job_id, str) else Job.id.in_(job_id)


def _waiting(job_id: str | Sequence[str]) -> list[ColumnElement[bool]]:
    is_waiting = Job.waits_since.is_not(None)
    return [_is(job_id), Job.state == JobState.RUNNING, is_waiting]


class Statements:
    """Builds statements for one database dialect."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.can_claim_in_one = dialect in _RETURNING
        self._has_row_locks = dialect != "sqlite"

    def clock(self, now: datetime) -> ColumnElement[float]:
        """Seconds since 1970 on the database's clock.

        On SQLite that is the host's own: all its processes share it.
        """
        if self.dialect == "postgresql":
            return cast(extract("epoch", func.clock_timestamp()), Double)
        if self.dialect in ("mysql", "mariadb"):
            return func.unix_timestamp(func.now(6))
        return CLOCK if now is NOW else literal(now.timestamp(), Double)

    def active_job(self, key: str, *, lock: bool = False) -> Select[Any]:
        """The job that holds an active key.

        With `lock` it reads what is committed now, not what the transaction's
        snapshot holds (MySQL's default isolation).
        """
        statement = select(Job).where(Job.active_key == key)
        if lock and self._has_row_locks:
            return statement.with_for_update(read=True)
        return statement

    def due(
        self, now: datetime, tasks: Sequence[str], queues: Sequence[str]
    ) -> Select[Any]:
        """The id of the job to run next."""
        statement = (
            select(Job.id)
            .where(Job.state == JobState.QUEUED, Job.run_at <= now, Job.task.in_(tasks))
            .where(
                or_(Job.expires_at.is_(None), Job.expires_at > now),
                Job.queue.not_in(self._paused()),
                or_(Job.concurrency_key.is_(None), self._running() < _LIMIT),
            )
            .order_by(Job.rank, Job.run_at, Job.id)
            .limit(1)
        )
        if queues:
            statement = statement.where(Job.queue.in_(queues))
        return statement

    def _paused(self) -> Select[Any]:
        return select(JobQueue.name).where(JobQueue.is_paused.is_(True))

    def _running(self) -> ScalarSelect[Any]:
        """How many jobs with the key of the job at hand run."""
        other = aliased(Job)
        return (
            select(func.count())
            .where(
                other.concurrency_key == Job.concurrency_key,
                other.state == JobState.RUNNING,
            )
            .correlate(Job)
            .scalar_subquery()
        )

    def running_with(self, key: str) -> Select[Any]:
        """Running jobs of a concurrency key, locked and as they are now."""
        statement = select(Job.id).where(
            Job.concurrency_key == key, Job.state == JobState.RUNNING
        )
        return statement.order_by(Job.id).with_for_update()

    def expired(self, now: datetime) -> Select[Any]:
        """Queued jobs that begin no more."""
        is_late = Job.expires_at <= now
        statement = select(Job.id).where(Job.state == JobState.QUEUED, is_late)
        return statement.limit(_SWEPT)

    def expire(self, job_id: str, error: Mapping[str, Any], now: datetime) -> Update:
        return (
            update(Job)
            .where(Job.id == job_id, Job.state == JobState.QUEUED)
            .values(
                state=JobState.FAILED,
                active_key=None,
                finished_at=now,
                error=error,
                **self._change(now),
            )
            .execution_options(synchronize_session=False)
        )

    def due_locked(
        self, now: datetime, tasks: Sequence[str], queues: Sequence[str]
    ) -> Select[Any]:
        statement = self.due(now, tasks, queues)
        if self._has_row_locks:
            statement = statement.with_for_update(skip_locked=True)
        return statement

    def claim(
        self, target: Any, worker: str, now: datetime, lease_seconds: float
    ) -> Update:
        """Take a queued job: raise its token, start its lease and its time limit.

        Args:
            target: An id, or the subquery that finds one.
        """
        clock = self.clock(now)
        return (
            update(Job)
            .where(Job.id == target, Job.state == JobState.QUEUED)
            .values(
                state=JobState.RUNNING,
                token=Job.token + 1,
                attempt=Job.attempt + 1,
                worker=worker,
                started_at=now,
                finished_at=None,
                lease_until=clock + lease_seconds,
                deadline=clock + Job.timeout_seconds,
                cancel_at=None,
                next_send=None,
                progress_done=0,
                progress_total=None,
                progress_unit=None,
                progress_message=None,
                **self._change(now),
            )
            .execution_options(synchronize_session=False)
        )

    def claim_next(
        self,
        tasks: Sequence[str],
        queues: Sequence[str],
        worker: str,
        now: datetime,
        lease_seconds: float,
    ) -> Any:
        """Claim in one statement that answers the row (SQLite, PostgreSQL)."""
        target = self.due_locked(now, tasks, queues).scalar_subquery()
        return self.claim(target, worker, now, lease_seconds).returning(*CLAIM_COLUMNS)

    def held(self, job_id: str, token: int) -> list[ColumnElement[bool]]:
        """The condition of every write by a worker."""
        return [Job.id == job_id, Job.token == token, Job.state == JobState.RUNNING]

    def beat(self, job_id: str, token: int, now: datetime, seconds: float) -> Update:
        return (
            update(Job)
            .where(*self.held(job_id, token))
            .values(lease_until=self.clock(now) + seconds)
            .execution_options(synchronize_session=False)
        )

    def vouch(self, worker: str, now: datetime, seconds: float) -> Update:
        """Extend the lease of whatever a live local worker runs."""
        return (
            update(Job)
            .where(Job.state == JobState.RUNNING, Job.worker == worker)
            .values(lease_until=self.clock(now) + seconds)
            .execution_options(synchronize_session=False)
        )

    def progress(
        self, job_id: str, token: int, values: Mapping[str, Any], now: datetime
    ) -> Update:
        return (
            update(Job)
            .where(*self.held(job_id, token))
            .values(**values, **self._change(now))
            .execution_options(synchronize_session=False)
        )

    def pulse(self, job_id: str, token: int) -> Select[Any]:
        """Whether a claim still holds, and whether its cancellation was asked for."""
        return select(Job.cancel_at).where(*self.held(job_id, token))

    def end(
        self,
        job_id: str,
        token: int,
        values: Mapping[str, Any],
        now: datetime,
        *,
        is_final: bool,
    ) -> Update:
        """Leave `running`: to a last state, or back to the queue unless somebody
        asked for the job's cancellation."""
        conditions = self.held(job_id, token)
        if not is_final:
            conditions.append(Job.cancel_at.is_(None))
        return (
            update(Job)
            .where(*conditions)
            .values(
                lease_until=None,
                deadline=None,
                worker=None,
                **values,
                **self._change(now),
            )
            .execution_options(synchronize_session=False)
        )

    def attempt_ended(
        self,
        job: Any,
        outcome: AttemptOutcome,
        now: datetime,
        error: Mapping[str, Any] | None,
    ) -> Insert:
        return insert(JobAttempt).values(
            job_id=job.id,
            token=job.token,
            attempt=job.attempt,
            worker=job.worker,
            started_at=job.started_at,
            finished_at=now,
            outcome=outcome,
            error=error,
        )

    def wait_for(
        self, parent_id: str, *, active: int, total: int, now: datetime
    ) -> Update:
        """Say how many children a waiting parent waits for; none: it goes on."""
        values: dict[str, Any] = {
            "waits_for": active,
            "progress_done": total - active,
            "progress_total": total,
            "progress_unit": "shards",
        }
        if active == 0:
            values |= {"state": JobState.QUEUED, "waits_since": None}
        return (
            update(Job)
            .where(Job.id == parent_id, Job.waits_since.is_not(None))
            .values(**values, **self._change(now))
            .execution_options(synchronize_session=False)
        )

    def wake(self, parent_id: str, now: datetime) -> Update:
        """Bring a waiting parent back to the queue, at its old place."""
        return (
            update(Job)
            .where(*_waiting(parent_id))
            .values(
                state=JobState.QUEUED,
                waits_since=None,
                next_send=None,
                **self._change(now),
            )
            .execution_options(synchronize_session=False)
        )

    def child_ended(self, parent_id: Any, now: datetime) -> Update:
        """Count a child off; the last one brings the parent back to the queue.

        The condition names no column that says whether the parent waits: PostgreSQL
        would judge it by the row as it was before a parent that is just beginning to
        wait, instead of waiting for that transaction's end.
        """
        waits = Job.waits_since.is_not(None)
        is_last = and_(waits, Job.waits_for <= 1)
        # In this order: MySQL sees what was set before, the others do not.
        return (
            update(Job)
            .where(Job.id == parent_id, Job.state == JobState.RUNNING)
            .ordered_values(
                (Job.state, case((is_last, JobState.QUEUED), else_=Job.state)),
                (
                    Job.progress_done,
                    case(
                        (waits, Job.progress_total - Job.waits_for + 1),
                        else_=Job.progress_done,
                    ),
                ),
                (Job.waits_since, case((is_last, null()), else_=Job.waits_since)),
                (Job.waits_for, Job.waits_for - 1),
                (Job.seq, Job.seq + 1),
                (Job.changed_at, self.clock(now)),
            )
            .execution_options(synchronize_session=False)
        )

    def cancel_waiting(self, job_id: str | Sequence[str], now: datetime) -> Update:
        """End a parent that only waits."""
        return (
            update(Job)
            .where(*_waiting(job_id))
            .values(
                state=JobState.CANCELLED,
                active_key=None,
                waits_since=None,
                finished_at=now,
                **self._change(now),
            )
            .execution_options(synchronize_session=False)
        )

    def cancel_queued(self, job_id: str | Sequence[str], now: datetime) -> Update:
        return (
            update(Job)
            .where(_is(job_id), Job.state == JobState.QUEUED)
            .values(
                state=JobState.CANCELLED,
                active_key=None,
                finished_at=now,
                **self._change(now),
            )
            .execution_options(synchronize_session=False)
        )

    def cancel_running(self, job_id: str | Sequence[str], now: datetime) -> Update:
        """Ask for the end of a running job; the first time of asking counts."""
        return (
            update(Job)
            .where(_is(job_id), Job.state == JobState.RUNNING, Job.cancel_at.is_(None))
            .values(cancel_at=self.clock(now), **self._change(now))
            .execution_options(synchronize_session=False)
        )

    def requeue(
        self, job_id: str | Sequence[str], key: str | None, now: datetime
    ) -> Update:
        """Run a failed or cancelled job again, with all its attempts."""
        return (
            update(Job)
            .where(
                _is(job_id),
                Job.state.in_([JobState.FAILED, JobState.CANCELLED]),
            )
            .values(
                state=JobState.QUEUED,
                active_key=key,
                run_at=now,
                finished_at=None,
                attempt=0,
                deaths=0,
                cancel_at=None,
                next_send=None,
                error=None,
                **self._change(now),
            )
            .execution_options(synchronize_session=False)
        )

    def run_now(self, job_id: str, now: datetime) -> Update:
        """Bring a job that waits for its next try forward."""
        return (
            update(Job)
            .where(Job.id == job_id, Job.state == JobState.QUEUED, Job.run_at > now)
            .values(run_at=now, **self._change(now))
            .execution_options(synchronize_session=False)
        )

    def running_of(self, worker: str) -> Select[Any]:
        """Running jobs of a worker, locked so that one supervisor frees each."""
        return self._lock(
            select(Job).where(Job.state == JobState.RUNNING, Job.worker == worker)
        )

    def lapsed(self, now: datetime) -> Select[Any]:
        """Running jobs whose lease is over."""
        condition = Job.lease_until < self.clock(now)
        return self._lock(select(Job).where(Job.state == JobState.RUNNING, condition))

    def overdue(self, worker: str, now: datetime, grace_seconds: float) -> Select[Any]:
        """Jobs that a worker should have stopped by now: cancelled or out of time."""
        limit = self.clock(now) - grace_seconds
        return select(Job.id).where(
            Job.state == JobState.RUNNING,
            Job.worker == worker,
            (Job.cancel_at < limit) | (Job.deadline < limit),
        )

    def workers(self) -> Select[Any]:
        """Workers that hold running jobs."""
        return select(Job.worker).where(Job.state == JobState.RUNNING).distinct()

    def count_active(self) -> Select[str, int]:
        """Jobs by state that wait for a worker or have one."""
        is_held = Job.waits_since.is_(None)
        return (
            select(Job.state, func.count())
            .where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]), is_held)
            .group_by(Job.state)
        )

    def queue_counts(self) -> Select[str, str, int]:
        return (
            select(Job.queue, Job.state, func.count())
            .where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
            .group_by(Job.queue, Job.state)
        )

    def next_due(self, now: datetime, until: Any, tasks: Sequence[str]) -> Select[Any]:
        """When the next job of these tasks is due, of those that soon will be."""
        return select(func.min(Job.run_at)).where(
            Job.state == JobState.QUEUED,
            Job.run_at > now,
            Job.run_at <= until,
            Job.task.in_(tasks),
        )

    def queued(self, job_ids: Sequence[str]) -> Select[str, str, datetime]:
        """Id, queue and moment of those of the jobs that are in the queue."""
        return select(Job.id, Job.queue, Job.run_at).where(
            Job.id.in_(job_ids), Job.state == JobState.QUEUED
        )

    def queued_in(self, queue: str, now: datetime) -> Select[str, str]:
        """Some of the jobs of a queue that could run, the most urgent first."""
        return (
            select(Job.id, Job.queue)
            .where(Job.state == JobState.QUEUED, Job.queue == queue)
            .where(Job.run_at <= now)
            .order_by(Job.rank, Job.run_at, Job.id)
            .limit(_SWEPT)
        )

    def oldest_due(self, now: datetime) -> Select[Any]:
        is_due = Job.run_at <= now
        return select(func.min(Job.run_at)).where(
            Job.state == JobState.QUEUED, is_due, Job.queue.not_in(self._paused())
        )

    def clock_now(self, now: datetime) -> Select[Any]:
        return select(self.clock(now))

    def _lock(self, statement: Select[Any]) -> Select[Any]:
        if self._has_row_locks:
            return statement.with_for_update(skip_locked=True)
        return statement

    def _change(self, now: datetime) -> dict[str, Any]:
        return {"seq": Job.seq + 1, "changed_at": self.clock(now)}


statements_for = lru_cache(maxsize=8)(Statements)
