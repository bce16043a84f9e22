"""Counts of several servers on one database, of each kind."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest
from sqlalchemy import delete, func, select

from foretell.core.clock import FakeClock
from foretell.core.db import Base, Database
from foretell.models.tables import ModelVersion
from foretell.predictions.monitoring.recording import PredictionLog
from foretell.predictions.monitoring.service import Housekeeping
from foretell.predictions.monitoring.store import MonitoringStore
from foretell.predictions.monitoring.summaries import Summary, summarise
from foretell.predictions.monitoring.tables import PredictionCount
from tests.predictions.monitoring.versions import (
    BASELINE,
    TABLES,
    add_version,
    note,
    served,
)

ANY_DAY = (date(2026, 1, 1), date(2028, 12, 31))
ROOM = 32 * 1024**2


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    async with opened.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=TABLES)
    yield opened
    await opened.close()


async def summary_of(database: Database, version_id: str) -> Summary:
    async with database.reading() as session:
        found = await MonitoringStore(session).contents(version_id, *ANY_DAY)
    return summarise(found, BASELINE)


async def count_of(database: Database) -> int:
    async with database.reading() as session:
        statement = select(func.count()).select_from(PredictionCount)
        return (await session.scalars(statement)).one()


async def test_what_servers_count_side_by_side_adds_up(database: Database) -> None:
    version_id = await add_version(database)
    clock = FakeClock()
    servers = [PredictionLog(database, clock, ROOM) for _ in range(4)]
    recorders = [log.recorder(served(version_id), None) for log in servers]

    async def serve(number: int) -> None:
        for _ in range(5):
            note(recorders[number], times=number + 1)
            recorders[number].refused("rows-invalid")
            await servers[number].flush()

    await asyncio.gather(*(serve(number) for number in range(4)))
    summary = await summary_of(database, version_id)
    assert (summary.calls, summary.errors, summary.rows) == (50 + 20, 20, 50)
    assert [sum(one.count for one in d.bins) for d in summary.drift] == [50, 50]
    assert summary.predictions[0].bins[1].count == 50
    assert await count_of(database) == 4


async def test_storing_again_adds_nothing(database: Database) -> None:
    version_id = await add_version(database)
    log = PredictionLog(database, FakeClock(), ROOM)
    note(log.recorder(served(version_id), None), times=3)
    await log.flush()
    for segment in log._segments.values():
        segment.is_stored = False  # as if the answer to the commit had been lost
    await log.flush()
    assert (await summary_of(database, version_id)).calls == 3


async def test_a_deleted_version_takes_its_counts_along(database: Database) -> None:
    gone, left = await add_version(database), await add_version(database)
    log = PredictionLog(database, FakeClock(), ROOM)
    recorders = [log.recorder(served(one), None) for one in (gone, left)]
    for recorder in recorders:
        note(recorder, times=1)
    await log.flush()
    async with database.writing() as session:
        await session.execute(delete(ModelVersion).where(ModelVersion.id == gone))
    assert await count_of(database) == 1
    for recorder in recorders:
        note(recorder, times=2)
    await log.flush()
    assert (await summary_of(database, gone)).calls == 0
    assert (await summary_of(database, left)).calls == 3


async def test_rows_of_past_days_become_one_by_whichever_server(
    database: Database,
) -> None:
    version_id = await add_version(database)
    clock = FakeClock()
    for calls in (1, 2, 3):
        log = PredictionLog(database, clock, ROOM)
        note(log.recorder(served(version_id), None), times=calls, prediction="no")
        await log.flush()
    before = await summary_of(database, version_id)
    keepers = [Housekeeping(database, clock, 90) for _ in range(3)]
    await asyncio.gather(*(one.run() for one in keepers))
    assert await count_of(database) == 3  # their processes may still write
    clock.advance(days=4)
    await asyncio.gather(*(one.run() for one in keepers))
    assert await count_of(database) == 1
    assert await summary_of(database, version_id) == before
    assert before.calls == 6


async def test_old_counts_are_forgotten(database: Database) -> None:
    version_id = await add_version(database)
    clock = FakeClock()
    log = PredictionLog(database, clock, ROOM)
    recorder = log.recorder(served(version_id), None)
    for _ in range(3):
        note(recorder, times=1)
        await log.flush()
        clock.advance(days=1)
    clock.advance(days=88)
    await Housekeeping(database, clock, 0).run()
    assert await count_of(database) == 3
    await Housekeeping(database, clock, 90).run()
    assert await count_of(database) == 2
