"""Request and response bodies of jobs and tasks."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from foretell.http.schemas import Body, Moment, Name, Reading, Storable
from foretell.jobs.registry import Task
from foretell.jobs.tables import Job, JobState

TaskName = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z0-9_.:-]+$", max_length=100)
]


class JobSubmit(Body):
    """A job to run."""

    task: TaskName
    args: dict[str, Any] = Field(
        default_factory=dict, description="As the task's schema says."
    )
    queue: Name | None = None
    priority: int = Field(
        0, strict=True, ge=-1000, le=1000, description="Higher runs sooner."
    )
    run_at: Moment | None = Field(None, description="Not before this moment.")
    unique_key: Storable | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="While a job of yours with this task and key is active, the "
        "answer is that job.",
    )
    max_attempts: int | None = Field(None, strict=True, ge=1, le=100)
    timeout_s: float | None = Field(
        None,
        strict=True,
        gt=0,
        le=604_800,
        allow_inf_nan=False,
        description="Of one try.",
    )

    concurrency_key: Storable | None = Field(
        None,
        min_length=1,
        max_length=160,
        description="At most `concurrency_limit` of your jobs with this key run at "
        "the same time; the others wait.",
    )
    concurrency_limit: int | None = Field(None, strict=True, ge=1, le=1000)
    expires_at: Moment | None = Field(
        None, description="A job that has not begun by then fails instead."
    )


class ProgressRead(Reading):
    """How far a running job is, in its own unit."""

    done: int
    total: int | None
    unit: str | None
    message: str | None


class JobRead(Reading):
    """One job."""

    id: str
    task: str
    args: dict[str, Any]
    state: JobState
    progress: ProgressRead
    attempt: int
    max_attempts: int
    error: dict[str, Any] | None = Field(description="A problem document.")
    result: Any
    queue: str
    priority: int
    unique_key: str | None
    timeout_s: float
    run_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    target: str | None = Field(description="Path of what the job makes or made.")
    owner_id: str | None
    parent_id: str | None
    shard: int | None = Field(description="Of a child: its place among the shards.")

    @model_validator(mode="before")
    @classmethod
    def _of_row(cls, row: Any) -> Any:
        if not isinstance(row, Job):
            return row
        same = {name: getattr(row, name) for name in _SAME_NAMES}
        progress = {
            "done": row.progress_done,
            "total": row.progress_total,
            "unit": row.progress_unit,
            "message": row.progress_message,
        }
        return same | {
            "args": shown_args(row.task, row.args),
            "progress": progress,
            "timeout_s": row.timeout_seconds,
            "cancel_requested": row.cancel_at is not None,
        }


_SAME_NAMES = tuple(
    name
    for name in JobRead.model_fields
    if name not in ("args", "progress", "timeout_s", "cancel_requested")
)
# A mail may hold a link that resets a password: not even an admin reads it here.
_HIDDEN = {"mail.send": frozenset({"text"})}


def shown_args(task: str, args: dict[str, Any]) -> dict[str, Any]:
    hidden = _HIDDEN.get(task, frozenset())
    return {k: "********" if k in hidden else v for k, v in args.items()}


class AttemptRead(Reading):
    """One try of a job that ended."""

    attempt: int
    outcome: str
    started_at: datetime | None
    finished_at: datetime
    error: dict[str, Any] | None


class TaskRead(Reading):
    """A task that a job or schedule may name."""

    name: str
    description: str
    args: dict[str, Any] = Field(description="JSON Schema of the arguments.")
    version: int
    scope: str | None = Field(description="Needed beyond jobs:write.")
    max_attempts: int
    timeout_s: float

    @classmethod
    def of(cls, task: Task) -> "TaskRead":
        return cls(
            name=task.name,
            description=task.description,
            args=task.args.model_json_schema(),
            version=task.version,
            scope=task.scope,
            max_attempts=task.max_attempts,
            timeout_s=task.timeout_seconds,
        )
