"""Jobs as a route asks for them: by the task's function, for whoever calls."""

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    TypedDict,
    Unpack,
    overload,
)

from pydantic import BaseModel

from foretell.core.principal import Principal
from foretell.jobs.context import JobContext
from foretell.jobs.registry import Task
from foretell.jobs.schemas import JobRead
from foretell.jobs.service import JobsService

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

P = ParamSpec("P")


class JobOptions(TypedDict, total=False):
    """How a job runs, beside its arguments; what is left out is the task's own.

    While a job of the caller with the same task and `unique_key` is active, that job
    is the answer. `run_at` is the earliest moment; a higher `priority` runs sooner.
    """

    queue: str
    priority: int
    run_at: datetime
    unique_key: str
    max_attempts: int
    timeout_seconds: float


class RequestJobs(JobsService):
    """The jobs service of one request. A job commits with the request or not at all.

    Args:
        principal: The caller, whose rights the jobs have; without one they have the
            system's own.
        announce: Called with the id of each job that is enqueued.
        parts: Of `JobsService`.
    """

    def __init__(
        self,
        session: "AsyncSession",
        *,
        principal: Principal | None,
        announce: Callable[[str], None],
        **parts: Any,
    ) -> None:
        super().__init__(session, **parts)
        self._principal = principal
        self._announce = announce
        self._options: JobOptions = {}

    def with_options(self, **options: Unpack[JobOptions]) -> "RequestJobs":
        """The same jobs, for one that runs in another way:
        `await jobs.with_options(priority=5).enqueue(task, …)`."""
        changed = copy(self)
        changed._options = {**self._options, **options}
        return changed

    @overload
    async def enqueue(
        self,
        task: Callable[Concatenate[JobContext, P], object],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JobRead: ...

    @overload
    async def enqueue(self, task: str, /, **kwargs: Any) -> JobRead: ...

    async def enqueue(self, task: Any, /, *args: Any, **kwargs: Any) -> JobRead:
        """Queue a job of a task, with the arguments its function takes.

        In a route that answers 202, the `Location` header of the answer names the
        job, so that `Prefer: wait=SECONDS` works there too.

        Args:
            task: The function itself, or the name of a task.

        Raises:
            TaskUnknown: The function is no task, or there is none of that name.
            TaskArgumentsInvalid: With a pointer for each wrong argument.
        """
        known = self._registry.get(task) if isinstance(task, str) else None
        known = known or self._registry.of(task)
        checked = known.check(_arguments(known, args, kwargs))
        if known.guard is not None and self._principal is not None:
            await known.guard(self._session, self._principal, checked)
        owner = self._principal.user_id if self._principal is not None else None
        job = await self.submit(known.name, checked, owner_id=owner, **self._options)
        self._announce(job.id)
        return JobRead.model_validate(job)


def _arguments(
    task: Task, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Mapping[str, Any] | BaseModel:
    """What was written in the call, by name, as the task's model wants it."""
    if task.takes_model and len(args) == 1 and isinstance(args[0], BaseModel):
        return args[0]
    if not args:
        return kwargs
    bound = inspect.signature(task.function).bind_partial(None, *args, **kwargs)
    _job, *names = bound.arguments
    return {name: bound.arguments[name] for name in names}
