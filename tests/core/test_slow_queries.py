"""Slow statements are logged with their plan and never with a value."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from foretell.core.db import Base, Database
from foretell.core.idempotency import IdempotencyKey
from foretell.core.slow_queries import PLANS_PER_MINUTE, SlowQueries

TABLE: Any = IdempotencyKey.__table__
EVERYTHING = 0.0
SECRET = "nobody-may-read-this"


class Watched:
    """A database whose every statement is slow, the log, and a clock."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.now = 0.0
        explaining = create_async_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        self.slow = SlowQueries(explaining, EVERYTHING, lambda: self.now)

    async def open(self) -> None:
        async with self.database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all, tables=[TABLE])
        await self.database.ping()  # what a first connection asks is not counted
        self.slow.watch(self.database.engine.sync_engine)
        self.slow.watch(self.database.reading_engine.sync_engine)

    async def look(self) -> None:
        async with self.database.reading() as session:
            await session.execute(
                select(IdempotencyKey).where(
                    IdempotencyKey.fingerprint == SECRET,
                    IdempotencyKey.location.in_([SECRET, SECRET + "2"]),
                )
            )

    async def close(self) -> None:
        await self.slow.close()
        await self.database.close()


@pytest.fixture
async def watched(database_url):
    watched = Watched(database_url)
    await watched.open()
    yield watched
    await watched.close()


@pytest.fixture
def lines() -> Iterator[Any]:
    merge: Any = structlog.contextvars.merge_contextvars
    with structlog.testing.capture_logs([merge]) as captured:
        yield captured


async def written(watched: Watched, lines: Any) -> list[Any]:
    """The lines, once the plans have come."""
    while watched.slow._tasks:
        await asyncio.gather(*watched.slow._tasks)
        await asyncio.sleep(0)  # a task that is done leaves the set a moment later
    return [line for line in lines if line["event"] == "database.slow_query"]


async def test_a_slow_read_is_logged_with_its_plan_and_no_value(watched, lines):
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        await watched.look()
    (line,) = await written(watched, lines)
    assert "FROM idempotency_keys" in line["statement"]
    assert line["milliseconds"] > 0
    assert line["request_id"] == "r-1"
    assert any("idempotency_keys" in step for step in line["plan"])
    assert SECRET not in str(line)


async def test_a_plan_is_asked_for_once_an_hour(watched, lines):
    for watched.now in (0.0, 1.0, 3599.0, 3600.0):
        await watched.look()
    found = await written(watched, lines)
    assert sum("plan" in line for line in found) == 2
    assert len(found) == 4


async def test_only_a_few_plans_are_asked_for_in_a_minute(watched, lines):
    async with watched.database.reading() as session:
        for number in range(PLANS_PER_MINUTE + 3):
            await session.execute(text(f"SELECT {number}"))
        watched.now = 60.0
        await session.execute(text("SELECT 'later'"))
    found = await written(watched, lines)
    assert sum("plan" in line for line in found) == PLANS_PER_MINUTE + 1
    assert len(found) == PLANS_PER_MINUTE + 4


async def test_a_statement_that_writes_is_logged_and_not_explained(watched, lines):
    async with watched.database.writing() as session:
        await session.execute(update(IdempotencyKey).values(fingerprint=SECRET))
    found = await written(watched, lines)
    assert "UPDATE idempotency_keys" in found[-1]["statement"]
    assert not any("plan" in line or SECRET in str(line) for line in found)


async def test_a_plan_that_cannot_be_had_costs_nothing_but_itself(watched, lines):
    watched.slow.observe("SELECT 1 FROM nowhere", (), 1.0)
    (line,) = await written(watched, lines)
    assert line["plan_missing"] in ("ProgrammingError", "OperationalError")


async def test_a_statement_that_fails_late_is_logged(watched, lines):
    async with watched.database.reading() as session:
        with pytest.raises(Exception, match="nowhere"):
            await session.execute(text("SELECT 1 FROM nowhere"))
    (line,) = await written(watched, lines)
    assert line["failed"]


async def test_a_quick_statement_is_not_logged(database_url, lines):
    database = Database(database_url, slow_query_seconds=60)
    await database.ping()
    await database.close()
    assert lines == []
