"""The `jobs` table, which is the only truth about background work.

Moments that only one machine's people read (`created_at` …) are times of the host
that wrote them. Moments that machines compare with each other (`lease_until`,
`deadline`, `cancel_at`, `changed_at`) are seconds since 1970 on the clock of the
database, so that hosts whose clocks disagree agree about who holds a job.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Double, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from foretell.core.db import Base, LongText, table_options

_JSON = JSON(none_as_null=True)


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class AttemptOutcome(StrEnum):
    """How one try of a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    WORKER_DIED = "worker_died"
    RELEASED = "released"
    WAITS = "waits"


class Job(Base):
    """One durable unit of background work.

    Attributes:
        rank: Minus the priority, so that one ascending index serves the claim.
        active_key: Digest of owner, task and `unique_key` while the job is queued
            or running, else null: a unique column then means "one active job".
        attempt: The try that runs or ran last, from 1; 0 before the first.
        deaths: Workers lost in a row; a try that ends by itself sets it to 0.
        token: Fencing token, raised by every claim. A write that names an older
            one changes nothing.
        seq: Raised by every visible change; the position of an event stream.
        target: Path whose GET gives what the job made, once it succeeded.
        objects: What the job touches, as `kind:name`.
        schedule_id: The schedule whose tick asked for it.
        concurrency_key: At most `concurrency_limit` jobs with this key run at once.
        expires_at: A job that has not begun by then fails instead.
        waits_since: Since when the job waits for its children: it counts as running,
            no worker holds it, and its function is called again when they ended.
        waits_for: How many children it waits for. What decides is their rows; a
            count that is wrong is found by the sweep.
        stage, shard: Of a child: which fan-out of its parent, which place in it.
        next_send: When a carrier may be handed the id again (external executors).
    """

    __tablename__ = "jobs"
    __table_args__ = table_options(
        Index("ix_jobs_claim", "state", "rank", "run_at", "id"),
        Index("ix_jobs_owner", "owner_id", "id"),
        Index("ix_jobs_schedule_id_state", "schedule_id", "state"),
        Index("ix_jobs_concurrency_key_state", "concurrency_key", "state"),
        Index("ix_jobs_parent", "parent_id", "id"),
        Index("ix_jobs_state", "state", "id"),
        Index("ix_jobs_task", "task", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    task: Mapped[str] = mapped_column(String(100))
    args: Mapped[dict[str, Any]] = mapped_column(JSON)
    args_version: Mapped[int] = mapped_column(Integer)
    queue: Mapped[str] = mapped_column(String(63))
    rank: Mapped[int] = mapped_column(Integer)
    unique_key: Mapped[str | None] = mapped_column(String(200))
    active_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    owner_id: Mapped[str | None] = mapped_column(String(36))
    parent_id: Mapped[str | None] = mapped_column(String(36))
    stage: Mapped[int | None] = mapped_column(Integer)
    shard: Mapped[int | None] = mapped_column(Integer)
    objects: Mapped[list[Any]] = mapped_column(JSON)
    schedule_id: Mapped[str | None] = mapped_column(String(36))
    concurrency_key: Mapped[str | None] = mapped_column(String(200))
    concurrency_limit: Mapped[int | None] = mapped_column(Integer)

    expires_at: Mapped[datetime | None]
    waits_since: Mapped[datetime | None]
    waits_for: Mapped[int | None] = mapped_column(Integer)
    run_at: Mapped[datetime]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    attempt: Mapped[int] = mapped_column(Integer)
    max_attempts: Mapped[int] = mapped_column(Integer)
    deaths: Mapped[int] = mapped_column(Integer)
    timeout_seconds: Mapped[float] = mapped_column(Double)

    token: Mapped[int] = mapped_column(BigInteger)
    worker: Mapped[str | None] = mapped_column(String(255))
    lease_until: Mapped[float | None] = mapped_column(Double)
    deadline: Mapped[float | None] = mapped_column(Double)
    cancel_at: Mapped[float | None] = mapped_column(Double)
    next_send: Mapped[float | None] = mapped_column(Double)

    progress_done: Mapped[int] = mapped_column(BigInteger)
    progress_total: Mapped[int | None] = mapped_column(BigInteger)
    progress_unit: Mapped[str | None] = mapped_column(String(32))
    progress_message: Mapped[str | None] = mapped_column(LongText)
    seq: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[float] = mapped_column(Double, index=True)

    result: Mapped[Any] = mapped_column(_JSON, nullable=True)
    error: Mapped[Any] = mapped_column(_JSON, nullable=True)
    target: Mapped[str | None] = mapped_column(String(512))

    @property
    def priority(self) -> int:
        return -self.rank


class JobAttempt(Base):
    """One try of a job that has ended; the running one is in the job's own row."""

    __tablename__ = "job_attempts"

    job_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    token: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False
    )
    attempt: Mapped[int] = mapped_column(Integer)
    worker: Mapped[str | None] = mapped_column(String(255))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16))
    error: Mapped[Any] = mapped_column(_JSON, nullable=True)


class JobQueue(Base):
    """What was decided about a queue; one without a row is open."""

    __tablename__ = "job_queues"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    is_paused: Mapped[bool]
    changed_at: Mapped[datetime]
