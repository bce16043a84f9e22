"""What can be wrong with a job, in the words of the area."""

from collections.abc import Mapping
from typing import Any

from foretell.errors import (
    Conflict,
    FieldError,
    Forbidden,
    ForetellError,
    Invalid,
    NotFound,
)


class JobNotFound(NotFound):
    """There is no such job, or it belongs to somebody else."""

    slug = "job-not-found"
    title = "No such job"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job {job_id!r} that you may see.")


class TaskUnknown(Invalid):
    """No part of this server registered a task of that name."""

    slug = "task-unknown"
    title = "No such task"

    def __init__(self, task: str) -> None:
        super().__init__(
            f"There is no task {task!r}; GET /api/tasks lists them.",
            errors=[FieldError("/task", "No such task.", "unknown")],
        )


class TaskArgumentsInvalid(Invalid):
    """The arguments do not fit the task's own schema."""

    slug = "task-arguments-invalid"
    title = "Arguments do not fit the task"


class TaskForbidden(Forbidden):
    """The task needs a scope or role that the caller has not."""

    slug = "task-forbidden"


class JobFinished(Conflict):
    """The job is over, and what was asked for needs one that is not."""

    slug = "job-finished"


class JobActive(Conflict):
    """The job is running; cancel it first or wait for its end."""

    slug = "job-active"


class UniqueKeyTaken(Conflict):
    """Another active job holds the unique key."""

    slug = "unique-key-taken"


class JobTimedOut(ForetellError):
    """The job ran longer than it may. It is not tried again by itself: work that
    needs too long once needs too long twice."""

    slug = "job-timed-out"
    title = "Time limit reached"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The job ran longer than its limit of {seconds:g} seconds.")


class JobExpired(ForetellError):
    """The job did not begin before it expired."""

    slug = "job-expired"
    title = "Too late to begin"

    def __init__(self) -> None:
        super().__init__("The job was to begin before its expires_at, and did not.")


class QueueForbidden(Forbidden):
    """A queue is everybody's; only admins pause it."""

    slug = "queue-forbidden"


class ScheduleNotFound(NotFound):
    """There is no such schedule, or it belongs to somebody else."""

    slug = "schedule-not-found"
    title = "No such schedule"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no schedule {name!r} that you may see.")


class ScheduleNameTaken(Conflict):
    """Somebody else has a schedule of that name."""

    slug = "schedule-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name!r} is taken.")


class WorkersLost(ForetellError):
    """Worker after worker died while running the job."""

    slug = "job-workers-lost"
    title = "Workers died"

    def __init__(self, deaths: int) -> None:
        super().__init__(
            f"{deaths} workers in a row died while running this job; the last words "
            "may be in the server's log. Memory running out is the usual reason."
        )


class ShardsFailed(ForetellError):
    """Children of the job failed or were cancelled. A retry of the job runs these
    again, and only these."""

    slug = "job-shards-failed"
    title = "Shards failed"

    def __init__(
        self,
        failed: int,
        total: int,
        job_id: str,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        # Of the first; its words say more than ours.
        why = "" if problem is None else str(problem.get("detail", ""))
        super().__init__(
            f"{failed} of {total} shards did not succeed, first the job {job_id}. "
            f"{why}".rstrip(),
            failed=failed,
            total=total,
            job_id=job_id,
        )
        if problem is not None:
            self.context = {**self.context, "first": dict(problem)}


class TaskFailed(ForetellError):
    """The task raised something that is not one of our errors."""

    slug = "task-failed"
    title = "The task failed"


class JobLost(Exception):
    """Another claim of the same job has a newer token; this one's work is void."""
