"""Workers hear of jobs from PostgreSQL: with the commit, on every machine, and again
after the connection or the server was gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.outages import DatabaseUnavailable
from foretell.core.pagination import Cursors
from foretell.jobs.ears import database_ears
from foretell.jobs.ports import Ear, SilentBell
from foretell.jobs.service import JobsService
from foretell.jobs.store import JobStore
from foretell.jobs.tables import JobState
from tests.databases import throw_away
from tests.jobs import carried
from tests.jobs.conftest import Site, eventually
from tests.servers import PostgresqlServer

pytestmark = pytest.mark.server("postgresql")
LISTENERS = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = :name"


class Place:
    """A database, and whoever submits from a machine without a bell."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url)
        self.rung = asyncio.Event()
        self._ears: list[Ear] = []

    def listen(self) -> None:
        self._ears += database_ears(self.database, self.rung.set)

    async def close(self) -> None:
        for ear in self._ears:
            ear.close()
        await self.database.close()

    def service(self, session: Any) -> JobsService:
        return JobsService(
            session,
            registry=carried.tasks,
            clock=SystemClock(),
            cursors=Cursors(b"k" * 32),
            bell=SilentBell(),
        )

    async def submit(self, **options: Any) -> str:
        async with self.database.writing() as session:
            jobs = self.service(session)
            job = await jobs.submit("carried.plain", {}, owner_id=None, **options)
            return job.id

    async def state(self, job_id: str) -> str:
        async with self.database.reading() as session:
            found = await JobStore(session, SystemClock()).find(job_id)
        assert found is not None
        return found.state

    async def listeners(self, what: str = "count(*)") -> int:
        name = self.database.engine.url.database
        async with self.database.reading() as session:
            found = await session.scalar(
                text(f"SELECT {what} {LISTENERS}"), {"name": name}
            )
        return int(found or 0)

    async def has_listener(self) -> bool:
        try:
            return await self.listeners() == 1
        except DatabaseUnavailable:
            return False

    async def hears(self, seconds: float = 20.0) -> None:
        """Fails unless a ring comes; forgets it."""
        async with asyncio.timeout(seconds):
            await self.rung.wait()
        self.rung.clear()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with throw_away("postgresql") as made:
        Site(made, tmp_path).make_tables()
        yield made


@pytest.fixture
async def place(url: str) -> AsyncIterator[Place]:
    made = Place(url)
    yield made
    await made.close()


async def test_a_job_is_heard_with_its_commit_and_not_before(place: Place) -> None:
    place.listen()
    await place.hears()  # the first look
    async with place.database.writing() as session:
        jobs = place.service(session)
        await jobs.submit("carried.plain", {}, owner_id=None)
        # Whatever was said before this answer would have been heard by now.
        await place.listeners()
        assert not place.rung.is_set()
    await place.hears()
    async with place.database.writing() as session:
        await place.service(session).submit("carried.plain", {}, owner_id=None)
        await session.rollback()
    async with place.database.writing() as session:
        many: list[dict[str, Any]] = [{}] * 3
        jobs = place.service(session)
        ids = await jobs.submit_many("carried.plain", many, owner_id=None)
        assert not place.rung.is_set()
    await place.hears()
    async with place.database.writing() as session:
        await JobStore(session, SystemClock()).run_now(ids[0])
    await place.hears()


async def test_it_listens_again_when_its_connection_was_cut(place: Place) -> None:
    place.listen()
    await place.hears()
    for _ in range(3):
        assert await place.listeners("count(pg_terminate_backend(pid))") == 1
        await place.hears()  # whatever was said meanwhile is looked for
        await eventually(place.has_listener)
        await place.submit()
        await place.hears()


async def test_a_closed_ear_leaves_no_connection(place: Place) -> None:
    place.listen()
    await place.hears()
    for ear in place._ears:
        ear.close()

    async def is_gone() -> bool:
        return await place.listeners() == 0

    await eventually(is_gone)


async def test_a_worker_of_another_machine_begins_at_once(
    place: Place, tmp_path: Path
) -> None:
    async def done(job_id: str) -> None:
        async def has_ended() -> bool:
            return await place.state(job_id) == JobState.SUCCEEDED

        await eventually(has_ended)

    loop = asyncio.get_running_loop()
    far = tmp_path / "far"
    async with carried.machine(place.database, far, "parents", url=place.url):
        await eventually(place.has_listener)
        await done(await place.submit())
        took = []
        for _ in range(10):
            began = loop.time()
            await done(await place.submit())
            took.append(loop.time() - began)
        # It looks by itself only every ten minutes; on an idle machine this takes
        # 10 ms, looks of this test included.
        assert sorted(took)[5] < 0.5, took
        assert await place.listeners("count(pg_terminate_backend(pid))") == 1
        await eventually(place.has_listener)
        await done(await place.submit())


@pytest.mark.slow
async def test_a_worker_hears_again_after_the_server_was_restarted(
    tmp_path: Path,
) -> None:
    if not PostgresqlServer.is_installed():
        pytest.skip("PostgreSQL's programs are not installed")
    with ExitStack() as stack:
        server = stack.enter_context(PostgresqlServer())
        await asyncio.to_thread(Site(server.url, tmp_path).make_tables)
        place = Place(server.url)

        async def done(job_id: str) -> None:
            async def has_ended() -> bool:
                return await place.state(job_id) == JobState.SUCCEEDED

            await eventually(has_ended, 60)

        far = tmp_path / "far"
        async with carried.machine(place.database, far, "parents", url=place.url):
            await eventually(place.has_listener)
            await done(await place.submit())
            for _ in range(2):
                await asyncio.to_thread(server.stop)
                with pytest.raises(DatabaseUnavailable):
                    await place.submit()
                await asyncio.to_thread(server.start)
                await eventually(place.has_listener, 60)
                await done(await place.submit())
        await place.close()
