"""A jobs table on each kind of database, and real workers over it."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from foretell.core.clock import SystemClock
from foretell.core.db import Base, Database
from foretell.core.pagination import Cursors
from foretell.jobs.composition import Timing
from foretell.jobs.doorbell import Doorbell, socket_folder
from foretell.jobs.service import JobsService
from foretell.jobs.store import JobStore
from foretell.jobs.supervisor import Supervisor
from foretell.jobs.tables import Job, JobAttempt
from tests.jobs import work

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
TABLES: list[Any] = [Job.__table__, JobAttempt.__table__]
SERVERS = {
    "postgresql": os.environ.get(
        "TEST_POSTGRESQL_URL", "postgresql+asyncpg://root@127.0.0.1:5432/test"
    ),
    "mysql": os.environ.get(
        "TEST_MYSQL_URL", "mysql+asyncmy://root@127.0.0.1:3306/test?charset=utf8mb4"
    ),
}


def _administer(url: str, statement: str) -> None:
    async def run() -> None:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                await connection.execute(text(statement))
        finally:
            await engine.dispose()

    asyncio.run(run())


def _throw_away(kind: str) -> Iterator[str]:
    """A database of its own on a server; skips loudly where there is none."""
    server = SERVERS[kind]
    name = f"foretell_{secrets.token_hex(6)}"
    try:
        _administer(server, f"CREATE DATABASE {name}")
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no {kind} server on loopback: {error}")
    base, _, _ = server.rpartition("/")
    yield f"{base}/{name}"
    force = " WITH (FORCE)" if kind == "postgresql" else ""
    _administer(server, f"DROP DATABASE {name}{force}")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    yield from _throw_away("postgresql")


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    yield from _throw_away("mysql")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.server("postgresql")),
        pytest.param("mysql", marks=pytest.mark.server("mysql")),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database, on each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'jobs.db'}"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'jobs.db'}"


async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=TABLES)
        await connection.run_sync(work.metadata.create_all)
        for table in (*TABLES, work.effects):
            await connection.execute(delete(table))
    yield database
    await database.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async for opened in _opened(url):
        yield opened


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    async for opened in _opened(sqlite_url):
        yield opened


class Office:
    """Submits jobs to a database and looks at what became of them."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self.database = database
        self.data_dir = data_dir
        self.bell = Doorbell(socket_folder(data_dir), "worker")

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
        self, job_id: str, condition: Callable[[Job], bool], seconds: float = 15
    ) -> Job:
        """The job once it fulfils the condition."""
        found: list[Job] = []

        async def look() -> bool:
            found[:] = [await self.job(job_id)]
            return condition(found[0])

        await eventually(look, seconds)
        return found[0]

    async def until_state(self, job_id: str, state: str, seconds: float = 15) -> Job:
        return await self.until(job_id, lambda job: job.state == state, seconds)


async def eventually(look: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Wait for a condition in another process, no longer than `seconds`."""
    async with asyncio.timeout(seconds):
        while not await look():
            await asyncio.sleep(0.01)


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Iterator[Office]:
    made = Office(database, tmp_path)
    yield made
    made.bell.close()


@pytest.fixture
def sqlite_office(sqlite: Database, tmp_path: Path) -> Iterator[Office]:
    made = Office(sqlite, tmp_path)
    yield made
    made.bell.close()


def supervisor_of(
    office: Office, url: str, *, processes: int = 1, lease: float = 30.0
) -> Supervisor:
    """A supervisor whose workers run the tasks of `tests.jobs.work`."""
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "JOBS_TEST_URL": url,
        "JOBS_TEST_DIR": str(office.data_dir),
        "JOBS_TEST_LEASE": str(lease),
        "PYTHONPATH": str(root),
    }
    return Supervisor(
        "tests.jobs.work:compose",
        database=office.database,
        data_dir=office.data_dir,
        processes=processes,
        timing=Timing(lease=lease, beat=min(5.0, lease / 4), grace=0.5, drain=0.5),
        environment=environment,
    )
