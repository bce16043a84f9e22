"""What a task's function gets: the job's identity, its voice and its transaction."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Mapping,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_only

from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.jobs.claims import Claim
from foretell.jobs.fanout import Shard, checked, results_of
from foretell.jobs.logs import JobLog
from foretell.jobs.registry import TaskRegistry

T = TypeVar("T")
_MAX_MESSAGE = 500
_MAX_UNIT = 32


@dataclass(slots=True)
class Progress:
    """How far a job is; the runner writes it at most four times a second."""

    done: int = 0
    total: int | None = None
    unit: str | None = None
    message: str | None = None
    is_dirty: bool = False

    def columns(self) -> dict[str, Any]:
        return {
            "progress_done": self.done,
            "progress_total": self.total,
            "progress_unit": self.unit,
            "progress_message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Children:
    """Looks at what a job asked for by `map`; each takes its id and the stage.

    Attributes:
        shards: What became of them, in order.
        first_args: Arguments of the first; `None`: there are none.
    """

    shards: Callable[[str, int], Awaitable[list[Shard]]]
    first_args: Callable[[str, int], Awaitable[Any]]


class _Ready:
    """Awaitable that is done: `progress` serves sync and async tasks alike."""

    def __await__(self) -> Generator[None, None, None]:
        yield  # one turn of the loop, so that a busy coroutine can be cancelled


class JobContext:
    """The running job, as its function sees it.

    Attributes:
        job_id, attempt: Which job, which try (from 1).
        parent_id, shard: Of a child of a fan-out: whose, and its place from 0.
        principal: Whose rights it has; the system's own for jobs without owner.
        services: The worker's parts: `job.services.port(SomeService)`.
        target: Path whose GET gives what the job made; set it before the end.
    """

    def __init__(
        self,
        claim: Claim,
        principal: Principal,
        services: Parts,
        log: JobLog,
        open_session: Callable[[], AbstractAsyncContextManager[AsyncSession]],
        tasks: TaskRegistry,
        children: Children,
    ) -> None:
        self.job_id = claim.id
        self.parent_id = claim.parent_id
        self.shard = claim.shard
        self.attempt = claim.attempt
        self.owner_id = claim.owner_id
        self.principal = principal
        self.services = services
        self.target: str | None = None
        self.current = Progress()
        self.stop_reason: str | None = None
        self._log = log
        self._open_session = open_session
        self._tasks = tasks
        self._children = children
        self._stages = 0

    def progress(
        self,
        done: int,
        total: int | None = None,
        unit: str | None = None,
        message: str | None = None,
    ) -> Awaitable[None]:
        """Say how far the job is. Cheap: call it as often as you like.

        What is left out keeps its value. `await` it in a coroutine; a plain
        function just calls it.
        """
        now = self.current
        now.done = done
        now.total = now.total if total is None else total
        now.unit = now.unit if unit is None else unit[:_MAX_UNIT]
        now.message = now.message if message is None else message[:_MAX_MESSAGE]
        now.is_dirty = True
        return _Ready()

    def log(self, message: str, level: str = "INFO") -> None:
        """Add lines to the job's log, which its owner can read."""
        self._log.write(message, level)

    async def map(
        self,
        task: Callable[..., Any] | str,
        shards: Iterable[Mapping[str, Any] | BaseModel],
        *,
        at_once: int | None = None,
    ) -> list[Any]:
        """Run a job for each shard and give back their results, in order.

        The job waits without a worker: its function ends here and is called again,
        **from the start**, when all shards have ended; the same call then gives the
        results. So what comes before must be quick and ask for the same shards each
        time, and `job.session()` comes after. Calls may follow one another.

        The shards are jobs with this one as `parent_id`, its owner and priority. A
        shard that succeeded never runs again, whoever dies; a retry of this job runs
        those that did not.

        Args:
            task: The function of the shards, or the name of a task.
            shards: Arguments of each, at most 10,000.
            at_once: How many may run at the same time.

        Raises:
            ShardsFailed: All ended and some did not succeed.
            TaskArgumentsInvalid: A shard's arguments do not fit the task.
        """
        known, args = checked(self._tasks, task, shards)
        stage, self._stages = self._stages, self._stages + 1
        if not args:
            return []
        found = await self._children.shards(self.job_id, stage)
        results = results_of(found, stage, known, args, at_once=at_once)
        self.progress(len(results), len(results), "shards")
        return results

    async def mapped(self) -> Mapping[str, Any] | None:
        """The arguments of the first shard that the next `map` asked for when the
        function was called before; `None`: it was not.

        For what must not change between the calls, such as the version that a name
        meant at first: put it into the arguments of every shard, and take it from
        here.
        """
        found = await self._children.first_args(self.job_id, self._stages)
        return None if found is None else dict(found)

    @property
    def is_cancelled(self) -> bool:
        """Whether the job was told to stop. A coroutine is cancelled and a plain
        function interrupted anyway; this is for code that wants to leave tidily."""
        return self.stop_reason is not None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """The unit of work in which the result is published.

        It commits **together with the job's completion, when the function
        returns**, and only if this try still holds the job; leaving the block
        commits nothing. So compute first, open it last, and return soon: on SQLite
        nobody else can write meanwhile. Entering it again gives the same session.
        """
        async with self._open_session() as session:
            yield session

    def wait_for(self, awaitable: Awaitable[T]) -> T:
        """For a plain function: run a coroutine and give back its answer."""
        return await_only(awaitable)
