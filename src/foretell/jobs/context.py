"""What a task's function gets: the job's identity, its voice and its transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_only

from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.jobs.claims import Claim
from foretell.jobs.logs import JobLog

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


class _Ready:
    """Awaitable that is done: `progress` serves sync and async tasks alike."""

    def __await__(self) -> Generator[None, None, None]:
        yield  # one turn of the loop, so that a busy coroutine can be cancelled


class JobContext:
    """The running job, as its function sees it.

    Attributes:
        job_id, attempt: Which job, which try (from 1).
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
    ) -> None:
        self.job_id = claim.id
        self.attempt = claim.attempt
        self.owner_id = claim.owner_id
        self.principal = principal
        self.services = services
        self.target: str | None = None
        self.current = Progress()
        self.stop_reason: str | None = None
        self._log = log
        self._open_session = open_session

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
