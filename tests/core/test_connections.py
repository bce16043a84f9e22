"""Connections that are cut, and callers that go away: nothing leaks, nobody suffers."""

import asyncio
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.util import await_only

from foretell.core.db import Base, Database
from foretell.core.idempotency import IdempotencyKey
from foretell.core.outages import DatabaseUnavailable
from tests.core.test_db import key
from tests.databases import administer, throw_away

TABLE: Any = IdempotencyKey.__table__
CUT = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT concat('KILL ', id) FROM information_schema.processlist "
    "WHERE db = database() AND id <> connection_id()",
}


async def opened(url: str, **options: Any) -> Database:
    database = Database(url, **options)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=[TABLE])
    return database


@pytest.fixture(params=["postgresql", "mysql"])
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with throw_away(request.param) as url:
        yield url


@pytest.fixture
async def database(server_url):
    database = await opened(server_url, pool_size=3)
    yield database
    await database.close()


@pytest.fixture
async def administrator(server_url):
    administrator = Database(server_url, pool_size=1)
    await administrator.ping()
    yield administrator
    await administrator.close()


async def cut_all(administrator: Database) -> None:
    """End every other connection, as a restart of the server does."""
    async with administrator.reading() as session:
        found = await session.execute(text(CUT[administrator.dialect]))
        for (statement,) in found.all():
            if isinstance(statement, str):
                await session.execute(text(statement))


async def read(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count(IdempotencyKey.id))) or 0


async def write(database: Database, name: str) -> None:
    async with database.writing() as session:
        session.add(key(name))


async def test_cut_connections_are_noticed_by_nobody(database, administrator):
    for burst in range(4):
        await asyncio.gather(
            *(read(database) for _ in range(12)),
            *(write(database, f"{burst}-{n}") for n in range(12)),
        )
        await cut_all(administrator)
    assert await read(database) == 48


async def test_a_connection_cut_under_a_statement_is_replaced_for_a_read(
    database, administrator
):
    """Nobody could know before: it ends between the look at it and the statement."""
    await read(database)
    cuts = 0

    def cut(*_: Any) -> None:
        nonlocal cuts
        cuts += 1
        if cuts == 1:
            await_only(cut_all(administrator))

    event.listen(database.reading_engine.sync_engine, "before_cursor_execute", cut)
    assert await read(database) == 0
    assert cuts == 2


@pytest.mark.parametrize("server_url", ["postgresql"], indirect=True)
async def test_last_words_that_arrive_before_the_end_are_understood(
    database, server_url
):
    """asyncpg then refuses each statement with an error that SQLAlchemy does not know."""
    await read(database)
    await write(database, "a")
    await cut_and_hear(server_url)
    assert await read(database) == 1
    await write(database, "b")
    await cut_and_hear(server_url)
    await write(database, "c")
    assert await read(database) == 3


async def cut_and_hear(url: str) -> None:
    """Cut all connections; the loop gets as far as what the server says last."""
    cutting = threading.Thread(target=administer, args=(url, CUT["postgresql"]))
    cutting.start()
    cutting.join(timeout=30)  # meanwhile nothing of a connection is looked at
    for _ in range(3):
        await asyncio.sleep(0)


async def test_an_idle_connection_is_asked_before_it_is_used(server_url, monkeypatch):
    monkeypatch.setattr("foretell.core.pool.IDLE_SECONDS", 0)
    database = await opened(server_url)
    pings = 0
    dialect = database.reading_engine.dialect
    ping = dialect.do_ping

    def counted(connection: Any) -> bool:
        nonlocal pings
        pings += 1
        return bool(ping(connection))

    monkeypatch.setattr(dialect, "do_ping", counted)
    await read(database)
    await read(database)
    assert pings == 1
    await database.close()


@pytest.mark.parametrize("kind_of_session", ["reading", "writing"])
async def test_callers_that_go_away_leave_no_connection_behind(
    database_url, kind_of_session
):
    database = await opened(database_url, pool_size=2, pool_timeout_seconds=30)
    chance = random.Random(7)  # noqa: S311 - where they are cancelled, not a secret

    async def work(number: int) -> None:
        async with getattr(database, kind_of_session)() as session:
            await session.execute(select(IdempotencyKey))
            if kind_of_session == "writing":
                session.add(key(str(number)))
                await session.flush()
            await session.execute(select(IdempotencyKey))

    async def caller(number: int) -> bool:
        task = asyncio.create_task(work(number))
        if number % 2:
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
            task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        return list(results) == [None]

    for start in range(0, 200, 40):
        done = await asyncio.gather(*(caller(n) for n in range(start, start + 40)))
        assert all(done[0::2])
    status = database.pool_status()
    assert (status.checked_out, status.waiting, status.refused) == (0, 0, 0)
    if kind_of_session == "writing":
        assert await read(database) >= 100
    await asyncio.wait_for(asyncio.gather(*(read(database) for _ in range(4))), 5)
    await database.close()


async def test_a_restarting_server_is_unavailable_and_not_a_fault(database):
    await database.close()
    await database.ping()
    nowhere = Database("mysql+asyncmy://root@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable):
        await nowhere.ping()
    await nowhere.close()
