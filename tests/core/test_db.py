"""One request, one transaction, the same on every database."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from foretell.core import idempotency
from foretell.core.db import Base, Database, is_unique_violation
from foretell.core.idempotency import IdempotencyKey
from foretell.core.outages import DatabaseUnavailable
from foretell.settings import SettingsError

TABLE: Any = IdempotencyKey.__table__
MOMENT = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
async def database(database_url):
    database = Database(database_url, pool_size=2, pool_timeout_seconds=0.2)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=[TABLE])
    yield database
    await database.close()


def key(name: str, moment: datetime = MOMENT) -> IdempotencyKey:
    return IdempotencyKey(
        id=name, fingerprint="f", status=201, location="/é/😀", expires_at=moment
    )


async def ids(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(IdempotencyKey.id)))


async def test_a_unit_of_work_commits_at_its_end(database):
    async with database.writing() as session:
        session.add(key("a"))
    assert await ids(database) == ["a"]


async def test_an_error_rolls_everything_back(database):
    async def fail() -> None:
        async with database.writing() as session:
            session.add(key("a"))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await ids(database) == []


async def test_an_outer_rollback_undoes_a_committed_savepoint(database):
    async def fail() -> None:
        async with database.writing() as session:
            async with session.begin_nested():
                session.add(key("a"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await ids(database) == []


async def test_moments_come_back_aware_in_utc_to_the_microsecond(database):
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=9)))
    async with database.writing() as session:
        session.add(key("a", elsewhere))
    async with database.reading() as session:
        found = await session.get_one(IdempotencyKey, "a")
    assert found.expires_at == MOMENT
    assert found.expires_at.tzinfo == UTC
    assert found.location == "/é/😀"


async def test_text_compares_by_code_point_on_every_database(database):
    async with database.writing() as session:
        session.add_all([key("a"), key("A"), key("é"), key("e")])
    assert sorted(await ids(database)) == ["A", "a", "e", "é"]


async def test_a_taken_key_is_a_unique_violation(database):
    async with database.writing() as session:
        session.add(key("a"))
    with pytest.raises(IntegrityError) as caught:
        async with database.writing() as session:
            session.add(key("a"))
    assert is_unique_violation(caught.value)


async def test_an_expired_idempotency_key_can_be_used_again(database):
    values: dict[str, Any] = {"fingerprint": "f", "status": 201, "location": "/x"}
    later = MOMENT + timedelta(hours=25)
    async with database.writing() as session:
        await idempotency.add(session, "k", now=MOMENT, expires_at=MOMENT, **values)
    async with database.writing() as session:
        assert await idempotency.find(session, "k", now=later) is None
        await idempotency.add(session, "k", now=later, expires_at=later, **values)
    assert await ids(database) == ["k"]


async def test_a_busy_pool_answers_unavailable_instead_of_waiting(database):
    sessions = [database.reading() for _ in range(2)]
    for session in sessions:
        opened = await session.__aenter__()
        await opened.execute(text("SELECT 1"))
    with pytest.raises(DatabaseUnavailable, match="busy"):
        await database.ping()
    for session in sessions:
        await session.__aexit__(None, None, None)
    assert database.pool_status().checked_out == 0


async def test_a_database_that_is_down_is_unavailable(tmp_path):
    database = Database("postgresql+asyncpg://root@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()


def test_a_missing_driver_is_named_with_its_extra():
    with pytest.raises(SettingsError, match=r"foretell\[mysql\]"):
        Database("mysql+aiomysql://root@127.0.0.1/none")
