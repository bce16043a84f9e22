"""Statements that wait for company are part of their unit of work, whatever it does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import String, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from foretell.core.db import Database
from foretell.core.unanswered import run_unanswered

COUNT = text("SELECT count(*) FROM things")
ADD = "INSERT INTO things VALUES (?)"


class Base(DeclarativeBase):
    """Of the one table here."""


class Thing(Base):
    """What is flushed late."""

    __tablename__ = "things"
    name: Mapped[str] = mapped_column(String(10), primary_key=True)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}", pool_size=1)
    async with made.writing() as session:
        await session.execute(text("CREATE TABLE things (name TEXT PRIMARY KEY)"))
    yield made
    assert made.pool_status().checked_out == 0
    await made.close()


async def names(database: Database) -> list[str]:
    async with database.reading() as session:
        rows = await session.scalars(text("SELECT name FROM things ORDER BY name"))
        return list(rows)


async def add(database: Database, name: str) -> None:
    async with database.writing() as session:
        await session.run_sync(run_unanswered, ADD, [name])


async def test_alone_it_stands_after_the_block_and_not_before(
    database: Database,
) -> None:
    async with database.writing() as session:
        for name in "ab":
            await session.run_sync(run_unanswered, ADD, [name])
        assert await names(database) == []
    assert await names(database) == ["a", "b"]


async def test_the_next_statement_sees_it(database: Database) -> None:
    async with database.writing() as session:
        await session.run_sync(run_unanswered, ADD, ["a"])
        assert await session.scalar(COUNT) == 1
        await session.run_sync(run_unanswered, ADD, ["b"])
        assert await session.scalar(COUNT) == 2
    assert await names(database) == ["a", "b"]


@pytest.mark.parametrize("looks", [False, True])
async def test_it_is_rolled_back_with_the_rest(database: Database, looks: bool) -> None:
    async def write() -> None:
        async with database.writing() as session:
            await session.run_sync(run_unanswered, ADD, ["a"])
            if looks:
                await session.scalar(COUNT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write()
    async with database.writing() as session:
        await session.run_sync(run_unanswered, ADD, ["b"])
        await session.rollback()
        await session.run_sync(run_unanswered, ADD, ["c"])
    assert await names(database) == ["c"]


async def test_what_is_flushed_by_the_commit_is_in_the_same_transaction(
    database: Database,
) -> None:
    async def write(waiting: str, flushed: str) -> None:
        async with database.writing() as session:
            await session.run_sync(run_unanswered, ADD, [waiting])
            session.add(Thing(name=flushed))

    await add(database, "a")
    with pytest.raises(IntegrityError):
        await write("b", "a")
    assert await names(database) == ["a"]
    await write("b", "c")
    assert await names(database) == ["a", "b", "c"]


@pytest.mark.parametrize("looks", [False, True])
async def test_one_that_fails_fails_the_block(database: Database, looks: bool) -> None:
    async def write() -> None:
        async with database.writing() as session:
            await session.run_sync(run_unanswered, ADD, ["b"])
            if looks:
                await session.scalar(COUNT)
            await session.run_sync(run_unanswered, ADD, ["a"])

    await add(database, "a")
    with pytest.raises(IntegrityError):
        await write()
    assert await names(database) == ["a"]
    await add(database, "c")
    assert await names(database) == ["a", "c"]


async def test_a_savepoint_takes_back_its_own(database: Database) -> None:
    async def write(session: AsyncSession) -> None:
        async with session.begin_nested():
            await session.run_sync(run_unanswered, ADD, ["b"])
            raise ZeroDivisionError

    async with database.writing() as session:
        await session.run_sync(run_unanswered, ADD, ["a"])
        with pytest.raises(ZeroDivisionError):
            await write(session)
        async with session.begin_nested():
            await session.run_sync(run_unanswered, ADD, ["c"])
    assert await names(database) == ["a", "c"]


async def test_a_caller_who_leaves_at_any_point_holds_no_lock(
    database: Database,
) -> None:
    for turns in range(12):
        leaving = asyncio.ensure_future(add(database, f"left {turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        async with asyncio.timeout(5):
            await add(database, f"stays {turns}")
    assert len([n for n in await names(database) if n.startswith("stays")]) == 12
