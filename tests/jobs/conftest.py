"""A jobs table on each kind of database, and real workers over it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from foretell.core.clock import SystemClock
from foretell.core.db import Base, Database
from foretell.core.pagination import Cursors
from foretell.jobs.carrying import Carrier
from foretell.jobs.doorbell import Doorbell, socket_folder
from foretell.jobs.logs import log_path
from foretell.jobs.schedule_tables import Schedule, ScheduleTick
from foretell.jobs.service import JobsService
from foretell.jobs.store import JobStore
from foretell.jobs.supervisor import Supervisor
from foretell.jobs.tables import Job, JobAttempt, JobQueue
from tests.databases import throw_away
from tests.jobs import work

ROOT = Path(__file__).parents[2]
OPTIONS = frozenset(
    [
        "owner_id",
        "unique_key",
        "priority",
        "max_attempts",
        "queue",
        "timeout_seconds",
        "run_at",
        "target",
        "objects",
    ]
)
TABLES: list[Any] = [
    table.__table__ for table in (Job, JobAttempt, JobQueue, Schedule, ScheduleTick)
]


@dataclass(frozen=True)
class Site:
    """A database with the jobs tables, and the folder of its server.

    Attributes:
        executor: `module:name` of what carries ids by `broker_url`; empty for the
            embedded one.
    """

    url: str
    data_dir: Path
    executor: str = ""
    broker_url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "JOBS_TEST_URL": self.url,
            "JOBS_TEST_DIR": str(self.data_dir),
            "JOBS_TEST_EXECUTOR": self.executor,
            "JOBS_TEST_BROKER": self.broker_url,
            "PYTHONPATH": str(ROOT),
        }

    def make_tables(self) -> None:
        async def run() -> None:
            database = Database(self.url)
            async with database.engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all, tables=TABLES)
                await connection.run_sync(work.metadata.create_all)
            await database.close()

        asyncio.run(run())

    async def has_workers(self, count: int) -> bool:
        """Whether so many workers listen for work."""
        folder = socket_folder(self.data_dir)
        return folder is None or len(list(folder.glob("worker-*"))) >= count

    def start_server(self, processes: int = 1) -> subprocess.Popen[bytes]:
        """A process of its own that supervises workers."""
        with (self.data_dir / "server.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.jobs.serve"],
                env={**self.environment, "JOBS_TEST_PROCESSES": str(processes)},
                stdout=log,
                stderr=log,
            )


def _served(site: Site) -> Iterator[Site]:
    site.make_tables()
    server = site.start_server(processes=2)
    asyncio.run(eventually(lambda: site.has_workers(2), 90))
    yield site
    server.terminate()
    assert server.wait(10) in (0, -signal.SIGTERM)


@pytest.fixture(scope="session")
def sqlite_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """SQLite with a running server, shared by the tests that only submit."""
    folder = tmp_path_factory.mktemp("sqlite")
    yield from _served(Site(f"sqlite+aiosqlite:///{folder / 'jobs.db'}", folder))


@pytest.fixture(scope="session")
def postgresql_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with throw_away("postgresql") as url:
        yield from _served(Site(url, tmp_path_factory.mktemp("postgresql")))


@pytest.fixture(scope="session")
def mysql_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with throw_away("mysql") as url:
        yield from _served(Site(url, tmp_path_factory.mktemp("mysql")))


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.server("postgresql")),
        pytest.param("mysql", marks=pytest.mark.server("mysql")),
    ]
)
def site(request: pytest.FixtureRequest) -> Site:
    """A site with a running server, on each kind of database in turn."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found


@pytest.fixture
def quiet_site(tmp_path: Path) -> Site:
    """SQLite of one test alone, without a server."""
    made = Site(f"sqlite+aiosqlite:///{tmp_path / 'jobs.db'}", tmp_path)
    made.make_tables()
    return made


@pytest.fixture
def own_site(database_url: str, tmp_path: Path) -> Site:
    """A database of each kind, of one test alone, without a server."""
    made = Site(database_url, tmp_path)
    made.make_tables()
    return made


@pytest.fixture
async def own_office(own_site: Site) -> AsyncIterator["Office"]:
    """A desk with nobody behind it, on each kind of database."""
    made = Office(own_site)
    yield made
    await made.close()


class Office:
    """Submits jobs to a database and looks at what became of them."""

    def __init__(self, site: Site) -> None:
        self.database = Database(site.url)
        self.data_dir = site.data_dir
        executor = work.make_executor(site.executor, site.broker_url)
        self.bell: Doorbell | Carrier = (
            Doorbell(socket_folder(site.data_dir), "worker")
            if executor is None
            else Carrier(executor, self.database, SystemClock())
        )

    async def close(self) -> None:
        self.bell.close()
        await self.database.close()

    async def effects(self, *job_ids: str) -> list[int]:
        """How often each job completed."""
        return await work.count_effects(self.database, *job_ids)

    def log(self, job_id: str) -> str:
        path = log_path(self.data_dir, job_id)
        return path.read_text("utf-8") if path.exists() else ""

    def service(self, session: Any) -> JobsService:
        return JobsService(
            session,
            registry=work.registry(),
            clock=SystemClock(),
            cursors=Cursors(b"k" * 32),
            bell=self.bell,
        )

    async def submit(self, task: str, **options: Any) -> str:
        extra = {name: options.pop(name) for name in OPTIONS & options.keys()}
        async with self.database.writing() as session:
            jobs = self.service(session)
            job = await jobs.submit(task, options, **{"owner_id": None, **extra})
            return job.id

    async def job(self, job_id: str) -> Job:
        async with self.database.reading() as session:
            found = await JobStore(session, SystemClock()).find(job_id)
        assert found is not None
        return found

    async def attempts(self, job_id: str) -> list[JobAttempt]:
        async with self.database.reading() as session:
            return await JobStore(session, SystemClock()).attempts(job_id)

    async def cancel(self, job_id: str) -> None:
        async with self.database.writing() as session:
            await JobStore(session, SystemClock()).cancel(job_id)

    async def until(
        self, job_id: str, condition: Callable[[Job], bool], seconds: float = 30
    ) -> Job:
        """The job once it fulfils the condition."""
        found: list[Job] = []

        async def look() -> bool:
            found[:] = [await self.job(job_id)]
            return condition(found[0])

        await eventually(look, seconds)
        return found[0]

    async def until_state(self, job_id: str, state: str, seconds: float = 30) -> Job:
        return await self.until(job_id, lambda job: job.state == state, seconds)


async def eventually(look: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait for a condition in another process, no longer than `seconds`."""
    async with asyncio.timeout(seconds):
        while not await look():
            await asyncio.sleep(0.01)


@pytest.fixture
async def office(site: Site) -> AsyncIterator[Office]:
    """The desk in front of running workers, on each kind of database."""
    made = Office(site)
    yield made
    await made.close()


@pytest.fixture
async def sqlite_office(sqlite_site: Site) -> AsyncIterator[Office]:
    """The same on SQLite only, for what does not depend on the database."""
    made = Office(sqlite_site)
    yield made
    await made.close()


@pytest.fixture
async def quiet_office(quiet_site: Site) -> AsyncIterator[Office]:
    """A desk with nobody behind it: the test says who works."""
    made = Office(quiet_site)
    yield made
    await made.close()


def supervisor_of(
    office: Office, site: Site, *, processes: int = 1, lease: float = 30.0
) -> Supervisor:
    """A supervisor in this process, whose workers run the tasks of `work`."""
    return Supervisor(
        "tests.jobs.work:compose",
        database=office.database,
        data_dir=site.data_dir,
        processes=processes,
        timing=work.timing_of(lease),
        environment={**site.environment, "JOBS_TEST_LEASE": str(lease)},
    )
