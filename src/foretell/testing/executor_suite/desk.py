"""Submits jobs to real workers and looks at what became of them."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from foretell.core import schema
from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role, scopes_of
from foretell.jobs.carrying import Carrier
from foretell.jobs.doorbell import Doorbell, socket_folder
from foretell.jobs.logs import log_path
from foretell.jobs.ports import Bell, SilentBell
from foretell.jobs.service import JobsService
from foretell.jobs.store import JobStore
from foretell.jobs.supervisor import Supervisor
from foretell.jobs.tables import Job, JobAttempt
from foretell.testing.executor_suite import tasks

ADMIN = Principal("suite", "suite@example.org", Role.ADMIN, scopes_of(Role.ADMIN), "")


class Desk:
    """In front of workers whose ids an executor brings.

    Attributes:
        queue: A queue that no other desk has, since a broker may be shared.
    """

    def __init__(self, database: Database, folder: Path, bell: Bell) -> None:
        self.database = database
        self.folder = folder
        self.queue = f"suite-{secrets.token_hex(4)}"
        self.clock = SystemClock()
        self._bell = bell

    def service(self, session: Any, *, is_silent: bool = False) -> JobsService:
        return JobsService(
            session,
            registry=tasks.tasks,
            clock=self.clock,
            cursors=Cursors(b"k" * 32),
            bell=SilentBell() if is_silent else self._bell,
        )

    async def submit(
        self,
        task: str = "suite.work",
        args: dict[str, Any] | None = None,
        *,
        is_silent: bool = False,
        **options: Any,
    ) -> str:
        """Queue a job; a silent one is announced to nobody."""
        async with self.database.writing() as session:
            jobs = self.service(session, is_silent=is_silent)
            given = {"owner_id": None, "queue": self.queue, **options}
            return (await jobs.submit(task, args or {}, **given)).id

    async def cancel(self, job_id: str) -> None:
        async with self.database.writing() as session:
            await JobStore(session, self.clock).cancel(job_id)

    async def pause(self, queue: str, is_paused: bool) -> None:
        async with self.database.writing() as session:
            jobs = self.service(session)
            await jobs.set_queue(ADMIN, queue, is_paused=is_paused)

    async def job(self, job_id: str) -> Job:
        async with self.database.reading() as session:
            found = await JobStore(session, self.clock).find(job_id)
        assert found is not None, "the job is gone"
        return found

    async def outcomes(self, job_id: str) -> list[str]:
        """How each of its tries ended."""
        async with self.database.reading() as session:
            found = await JobStore(session, self.clock).attempts(job_id)
        return [str(attempt.outcome) for attempt in found]

    async def tries(self, job_id: str) -> list[JobAttempt]:
        async with self.database.reading() as session:
            return await JobStore(session, self.clock).attempts(job_id)

    async def effects(self, job_id: str) -> int:
        """How often it completed."""
        table = tasks.effects
        count = select(func.count()).where(table.c.job_id == job_id)
        async with self.database.reading() as session:
            return int(await session.scalar(count) or 0)

    def log(self, job_id: str) -> str:
        path = log_path(self.folder, job_id)
        return path.read_text("utf-8") if path.exists() else ""

    async def until(
        self, job_id: str, condition: Callable[[Job], bool], seconds: float = 60
    ) -> Job:
        """The job once it fulfils the condition."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not condition(job := await self.job(job_id)):
            state = f"{job.state}, attempt {job.attempt}, error {job.error}"
            assert loop.time() < until, f"{job.task} is {state}"
            await asyncio.sleep(0.02)
        return job

    async def until_state(self, job_id: str, state: str) -> Job:
        return await self.until(job_id, lambda job: job.state == state)

    async def running(self, job_id: str) -> int:
        """The pid of the worker once it runs the job."""
        job = await self.until_state(job_id, "running")
        return int(str(job.worker).split("/")[1])


@asynccontextmanager
async def open_desk(
    database_url: str,
    folder: Path,
    *,
    executor: str = "",
    broker_url: str = "",
    processes: int = 3,
) -> AsyncIterator[Desk]:
    """A desk with workers behind it, on an empty database.

    Args:
        executor: `module:name` of what makes it from `broker_url`; empty for the
            embedded one.
    """
    # Many checks at once, on a machine that may be busy: they wait for each other.
    database = Database(database_url, pool_timeout_seconds=60.0)
    carrier = None
    doorbell = Doorbell(socket_folder(folder), "worker")
    bell: Bell = doorbell
    made = tasks.make_executor(executor, broker_url)
    if made is not None:
        bell = carrier = Carrier(made, database, SystemClock())
    desk = Desk(database, folder, bell)
    values = (database_url, str(folder), executor, broker_url)
    try:
        await schema.upgrade(database)
        async with database.engine.begin() as connection:
            await connection.run_sync(tasks.metadata.create_all)
        async with Supervisor(
            tasks.COMPOSITION,
            database=database,
            data_dir=folder,
            processes=processes,
            timing=tasks.TIMING,
            environment={
                **os.environ,
                **dict(zip(tasks.VARIABLES, values, strict=True)),
                "_SUITE_QUEUES": f"{desk.queue},{desk.queue}-paused",
            },
            chores=[] if carrier is None else [carrier.sweep],
        ):
            yield desk
    finally:
        if carrier is not None:
            carrier.close()
        doorbell.close()
        await database.close()
