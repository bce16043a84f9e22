"""What can be done with jobs: submit, look, cancel, try again.

A job is its owner's and the admins'; to everybody else it does not exist.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from foretell.core.clock import Clock
from foretell.core.pagination import Cursors, Page
from foretell.core.principal import Principal
from foretell.jobs.adding import NewJob
from foretell.jobs.after_commit import ring_after_commit
from foretell.jobs.errors import (
    JobActive,
    JobFinished,
    JobNotFound,
    QueueForbidden,
    TaskForbidden,
    TaskUnknown,
)
from foretell.jobs.families import FamilyStore
from foretell.jobs.ports import Bell
from foretell.jobs.registry import Task, TaskRegistry
from foretell.jobs.store import Filter, JobStore, QueueState
from foretell.jobs.tables import Job, JobAttempt, JobState

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

_PURPOSE = "jobs"


class JobsService:
    """Jobs within one unit of work; what it does commits with the caller's data."""

    def __init__(
        self,
        session: "AsyncSession",
        *,
        registry: TaskRegistry,
        clock: Clock,
        cursors: Cursors,
        bell: Bell,
    ) -> None:
        self._session = session
        self._clock = clock
        self._store = JobStore(session, clock)
        self._registry = registry
        self._cursors = cursors
        self._bell = bell

    async def submit(
        self,
        task: str,
        args: Mapping[str, Any] | BaseModel,
        *,
        owner_id: str | None,
        queue: str | None = None,
        priority: int = 0,
        run_at: datetime | None = None,
        unique_key: str | None = None,
        max_attempts: int | None = None,
        timeout_seconds: float | None = None,
        parent_id: str | None = None,
        target: str | None = None,
        objects: Sequence[str] = (),
        schedule_id: str | None = None,
        concurrency_key: str | None = None,
        concurrency_limit: int | None = None,
        expires_at: datetime | None = None,
    ) -> Job:
        """Queue a job that commits with the caller's transaction.

        Areas call this for work they decided on; it checks the arguments and no
        rights. With a `unique_key` that an active job of the same owner and task
        holds, that job is the answer.

        Args:
            owner_id: Whose rights the job has; `None` for the system's own.
            target: Path whose GET gives what the job makes.
            objects: What it touches, as `kind:name`.
            concurrency_key: At most `concurrency_limit` (1) jobs with it run at once,
                whoever owns them.
            expires_at: A job that has not begun by then fails.
        """
        new = self._new(
            task,
            args,
            owner_id=owner_id,
            queue=queue,
            priority=priority,
            run_at=run_at,
            unique_key=unique_key,
            max_attempts=max_attempts,
            timeout_seconds=timeout_seconds,
            parent_id=parent_id,
            target=target,
            objects=objects,
            schedule_id=schedule_id,
            concurrency_key=concurrency_key,
            concurrency_limit=concurrency_limit,
            expires_at=expires_at,
        )
        job, _is_new = await self._store.add(new)
        self._ring_after_commit()
        return job

    async def submit_many(
        self,
        task: str,
        many: Iterable[Mapping[str, Any] | BaseModel],
        *,
        owner_id: str | None,
        **options: Any,
    ) -> list[str]:
        """Queue one job for each of the arguments; answers their ids.

        A tenth of the time of as many calls of `submit`, whose options it takes but
        for `unique_key`.
        """
        news = [self._new(task, args, owner_id=owner_id, **options) for args in many]
        ids = await self._store.add_many(news)
        self._ring_after_commit()
        return ids

    @property
    def _families(self) -> FamilyStore:
        return FamilyStore(self._session, self._clock, self._store)

    def _ring_after_commit(self) -> None:
        told, self._store.woken = self._store.woken, []
        ring_after_commit(self._session, self._bell, *told)

    def _new(
        self,
        task: str,
        args: Mapping[str, Any] | BaseModel,
        *,
        queue: str | None = None,
        max_attempts: int | None = None,
        timeout_seconds: float | None = None,
        objects: Sequence[str] = (),
        **options: Any,
    ) -> NewJob:
        """Check arguments against the task and fill in what it decides."""
        known = self._registry.get(task)
        checked = known.check(args)
        named = [f"{s.partition(':')[0]}:{name}" for s, name in known.objects(checked)]
        return NewJob(
            task=known.name,
            args=known.stored(checked),
            args_version=known.version,
            max_attempts=max_attempts or known.max_attempts,
            timeout_seconds=timeout_seconds or known.timeout_seconds,
            queue=queue or known.queue,
            objects=[*named, *objects],
            **options,
        )

    async def request(
        self,
        principal: Principal,
        task: str,
        args: Mapping[str, Any],
        **options: Any,
    ) -> Job:
        """Queue a job that a caller named: `POST /api/jobs` and schedules.

        Raises:
            TaskUnknown: There is no such task, or it cannot be asked for.
            TaskForbidden: The caller lacks its scope, for an object it names too.
        """
        checked = await self.permit(principal, task, args)
        owner = principal.user_id
        if (key := options.get("concurrency_key")) is not None:
            # Nobody makes another's jobs wait by guessing a key.
            options["concurrency_key"] = f"{owner}:{key}"
        return await self.submit(task, checked, owner_id=owner, **options)

    async def permit(
        self, principal: Principal, task: str, args: Mapping[str, Any]
    ) -> BaseModel:
        """The checked arguments of a task that the caller may name, with them.

        Raises:
            TaskUnknown: There is no such task, or it cannot be asked for.
            TaskForbidden: The caller lacks its scope, for an object it names too.
        """
        known = self._registry.get(task)
        if not known.is_exposed:
            raise TaskUnknown(task)
        self._demand_scope(principal, known)
        checked = known.check(args)
        for scope, name in known.objects(checked):
            if not principal.may(scope, name):
                raise TaskForbidden(f"This needs the scope {scope} for {name!r}.")
        if known.guard is not None:
            await known.guard(self._session, principal, checked)
        return checked

    def _demand_scope(self, principal: Principal, task: Task) -> None:
        if task.is_admin_only and not principal.is_admin:
            raise TaskForbidden(f"Only admins may ask for {task.name}.")
        if task.scope is not None and not principal.may_some(task.scope):
            raise TaskForbidden(f"{task.name} needs the scope {task.scope}.")

    def list_tasks(self, principal: Principal) -> list[Task]:
        """Tasks that the caller may name in a job or schedule."""
        return [
            task
            for task in self._registry
            if task.is_exposed
            and (principal.is_admin or not task.is_admin_only)
            and (task.scope is None or principal.may_some(task.scope))
        ]

    async def queues(self) -> list[QueueState]:
        """Queues that hold active jobs or are paused, by name."""
        return await self._store.queues()

    async def set_queue(
        self, principal: Principal, name: str, *, is_paused: bool
    ) -> QueueState:
        """Pause a queue, so that its jobs wait, or open it.

        Raises:
            QueueForbidden: The caller is no admin; a queue is everybody's.
        """
        if not principal.is_admin:
            raise QueueForbidden("Only admins pause a queue.")
        await self._store.set_queue(name, is_paused=is_paused)
        self._ring_after_commit()
        found = [queue for queue in await self._store.queues() if queue.name == name]
        return found[0] if found else QueueState(name, paused=is_paused)

    async def get(self, principal: Principal, job_id: str) -> Job:
        """Raises `JobNotFound` when there is none that the caller may see."""
        job = await self._store.find(job_id)
        if job is None or not may_see(principal, job):
            raise JobNotFound(job_id)
        return job

    async def expire(self) -> int:
        """Fail jobs that did not begin in time; answers how many."""
        count = await self._store.expire()
        self._ring_after_commit()
        return count

    async def is_active(self, job_id: str) -> bool:
        """Whether the job exists and has not ended; asks for no rights."""
        job = await self._store.find(job_id)
        return job is not None and not JobState(job.state).is_final

    async def attempts(self, principal: Principal, job_id: str) -> list[JobAttempt]:
        """Tries that ended, the first one first."""
        await self.get(principal, job_id)
        return await self._store.attempts(job_id)

    async def list_page(
        self,
        principal: Principal,
        *,
        state: JobState | None = None,
        task: str | None = None,
        parent_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[Job]:
        """Jobs that the caller may see, the newest first."""
        owner_id = None if principal.is_admin else principal.user_id
        before = None
        if cursor is not None:
            before = str(self._cursors.decode(_PURPOSE, cursor))
        wanted = Filter(owner_id, state, task, parent_id)
        jobs = await self._store.list_page(wanted, before=before, limit=limit)
        return self._cursors.page(_PURPOSE, jobs, limit, lambda job: job.id)

    async def cancel(self, principal: Principal, job_id: str) -> Job:
        """Stop a job and its children: a queued one at once, a running one within
        seconds.

        Raises:
            JobFinished: It is over already (a cancelled one is no error).
        """
        job = await self.get(principal, job_id)
        if job.state in (JobState.SUCCEEDED, JobState.FAILED):
            raise JobFinished(f"The job is over: it {job.state}.", state=job.state)
        await self._families.cancel(job_id)
        self._ring_after_commit()
        return await self.get(principal, job_id)

    async def retry(self, principal: Principal, job_id: str) -> Job:
        """Run a failed or cancelled job again under its id, and of its shards those
        that did not succeed; bring forward one that waits for its next try.

        Raises:
            JobFinished: It succeeded.
            JobActive: It is running.
            UniqueKeyTaken: Another job took over its unique key.
        """
        job = await self.get(principal, job_id)
        if job.state == JobState.SUCCEEDED:
            raise JobFinished("The job succeeded; submit a new one.", state=job.state)
        if job.state == JobState.RUNNING:
            raise JobActive("The job is running.", state=job.state)
        if job.state == JobState.QUEUED:
            await self._store.run_now(job_id)
        else:
            await self._families.requeue_below(job_id)
            await self._store.requeue(job)
        self._ring_after_commit()
        return await self.get(principal, job_id)


def may_see(principal: Principal, job: Job) -> bool:
    """Whether a job exists for the caller."""
    return principal.is_admin or job.owner_id == principal.user_id
