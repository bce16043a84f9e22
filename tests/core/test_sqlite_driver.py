"""The short way to SQLite: transactions begin late and end exactly once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from foretell.core.db import Database

COUNT = text("SELECT count(*) FROM things")
ADD = text("INSERT INTO things VALUES (:name)")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """One connection, so that whatever it leaves behind is met again."""
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}", pool_size=1)
    async with made.writing() as session:
        await session.execute(text("CREATE TABLE things (name TEXT PRIMARY KEY)"))
    yield made
    await made.close()


async def count(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.scalar(COUNT) or 0)


async def test_what_a_block_wrote_stands_after_it_and_not_before(
    database: Database,
) -> None:
    async with database.writing() as session:
        await session.execute(ADD, {"name": "a"})
        assert await count(database) == 0
    assert await count(database) == 1


async def test_an_error_leaves_nothing_and_no_open_transaction(
    database: Database,
) -> None:
    with pytest.raises(IntegrityError):
        async with database.writing() as session:
            await session.execute(ADD, [{"name": "a"}, {"name": "a"}])
    async with database.writing() as session:
        await session.execute(ADD, {"name": "b"})
    assert await count(database) == 1


async def test_a_savepoint_rolls_back_alone(database: Database) -> None:
    async with database.writing() as session:
        await session.execute(ADD, {"name": "a"})
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await session.execute(ADD, {"name": "a"})
        await session.execute(ADD, {"name": "b"})
    assert await count(database) == 2


async def test_a_caller_who_leaves_at_any_point_holds_no_lock(
    database: Database,
) -> None:
    async def write(name: str) -> None:
        async with database.writing() as session:
            await session.execute(ADD, {"name": name})

    for turns in range(12):
        leaving = asyncio.ensure_future(write(f"left {turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        async with asyncio.timeout(5):
            await write(f"stays {turns}")
    assert await count(database) >= 12


async def test_a_block_without_statements_opens_nothing(database: Database) -> None:
    async with database.writing(), database.writing() as other:
        await other.execute(ADD, {"name": "a"})
    assert await count(database) == 1
