"""The log of calls: bounded, cheap, and nothing of what it counts is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import orjson
import pytest

from foretell.core.clock import FakeClock
from foretell.core.db import Base, Database
from foretell.core.outages import DatabaseUnavailable
from foretell.predictions.monitoring.recording import (
    ROOM_BYTES,
    PredictionLog,
    count_entries,
)
from foretell.predictions.monitoring.samples import HEAD_BYTES
from foretell.predictions.monitoring.store import MonitoringStore
from foretell.predictions.monitoring.summaries import summarise
from foretell.predictions.raw_records import RawRecords
from tests.predictions.monitoring.versions import (
    BASELINE,
    SIGNATURE,
    TABLES,
    add_version,
    body,
    note,
    served,
)

ANY_DAY = (date(2026, 1, 1), date(2026, 12, 31))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    async with opened.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=TABLES)
    yield opened
    await opened.close()


async def stored(database: Database, version_id: str) -> list[tuple[date, str]]:
    async with database.reading() as session:
        return await MonitoringStore(session).contents(version_id, *ANY_DAY)


async def test_a_flood_holds_no_more_than_its_bound(database: Database) -> None:
    version_id = await add_version(database)
    limit = 3 * ROOM_BYTES
    log = PredictionLog(database, FakeClock(), limit)
    recorders = [log.recorder(served(version_id), None) for _ in range(8)]
    long = b'{"rows": [' + b" " * 32 * 1024**2 + b"]}"
    for number in range(4000):
        recorder = recorders[number % 8]
        size = (100, 5_000, 200_000, len(long))[number % 4]
        recorder.answered(long[:size], long[:size], 1, 0.001)
        assert log.held_bytes <= limit
    kept = sum(len(b) + len(a) for one in recorders for b, a in one.entries)
    assert 0 < kept <= limit
    assert all(len(b) <= HEAD_BYTES for one in recorders for b, _ in one.entries)
    await log.flush()
    assert log.held_bytes == 0
    summary = summarise(await stored(database, version_id), BASELINE)
    assert summary.calls == 4000
    assert sum(summary.latency_ms.histogram["counts"]) == 4000


async def test_without_room_calls_are_counted_and_rows_are_not_seen(
    database: Database,
) -> None:
    version_id = await add_version(database)
    log = PredictionLog(database, FakeClock(), 0)
    note(log.recorder(served(version_id), None), times=3)
    await log.flush()
    summary = summarise(await stored(database, version_id), BASELINE)
    assert (summary.calls, summary.rows) == (3, 3)
    assert [one.rows for one in summary.drift] == [0, 0]


async def test_noting_a_call_takes_a_microsecond_or_two(database: Database) -> None:
    log = PredictionLog(database, FakeClock(), 32 * 1024**2)
    recorder = log.recorder(served("v"), None)
    question, answer = body(), b'{"predictions":[{"prediction":"yes"}]}'
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(500):
            recorder.answered(question, answer, 1, 0.0002)
        best = min(best, time.perf_counter() - started)
        assert len(recorder.take()[1]) == 500
    # Ten times what was measured: a busy machine is no fault of ours.
    assert best / 500 < 10e-6


async def test_what_no_database_took_is_stored_later(
    database: Database,
) -> None:
    version_id = await add_version(database)
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    log = PredictionLog(away, FakeClock(), 32 * 1024**2)
    recorder = log.recorder(served(version_id), None)
    note(recorder, times=2)
    with pytest.raises(DatabaseUnavailable):
        await log.flush()
    note(recorder, times=5)
    recorder.refused("rows-invalid")
    async with log.running():
        log._database = database
    await away.close()
    summary = summarise(await stored(database, version_id), BASELINE)
    assert (summary.calls, summary.errors) == (8, 1)
    assert summary.errors_by_problem == {"rows-invalid": 1}


async def test_a_flush_that_is_given_up_by_its_caller_still_stores(
    database: Database,
) -> None:
    version_id = await add_version(database)
    log = PredictionLog(database, FakeClock(), 32 * 1024**2)
    note(log.recorder(served(version_id), None), times=4)
    asked = asyncio.create_task(log.flush())
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await log.flush()
    assert summarise(await stored(database, version_id), BASELINE).calls == 4


async def test_every_day_has_a_row_of_its_own(database: Database) -> None:
    version_id = await add_version(database)
    clock = FakeClock()
    log = PredictionLog(database, clock, 32 * 1024**2)
    recorder = log.recorder(served(version_id), None)
    for calls in (2, 3):
        note(recorder, times=calls)
        await log.flush()
        await log.flush()
        clock.advance(days=1)
    await log.flush()
    found = summarise(await stored(database, version_id), BASELINE)
    assert [(str(day.day), day.calls) for day in found.days] == [
        ("2026-11-24", 2),
        ("2026-11-25", 3),
    ]
    assert not log._segments


async def test_of_a_call_with_many_rows_a_hundred_are_seen(database: Database) -> None:
    log = PredictionLog(database, FakeClock(), 32 * 1024**2)
    recorder = log.recorder(served("v"), None)
    rows = [{"age": n, "plan": "a"} for n in range(900)]
    question = orjson.dumps({"rows": rows})
    for _ in range(40):
        recorder.answered(question, b'{"predictions":[]}', 900, 0.01)
    noted, entries = recorder.take()
    assert noted.rows == 36_000
    found = count_entries(recorder, entries)
    assert [sum(counts) for counts in found.inputs] == [4000, 4000]


def test_a_body_that_cannot_be_read_back_is_not_counted(tmp_path: Path) -> None:
    log = PredictionLog(
        Database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"), FakeClock(), 1024**2
    )
    recorder = log.recorder(served("v"), None)
    answer = b'{"predictions":[{"prediction":"yes"}]}'
    recorder.answered(b"", answer, 1, 0.01)
    recorder.answered(body(), b"", 1, 0.01)
    recorder.answered(b'{"rows": [{"age": 1, "pl', answer, 1, 0.01)
    found = count_entries(recorder, recorder.take()[1])
    assert [sum(counts) for counts in found.inputs] == [1, 1]
    assert [sum(counts) for counts in found.outputs] == [2]


async def test_raw_records_are_counted_as_the_features_they_make(
    database: Database,
) -> None:
    features = {
        "name": "f",
        "version": 1,
        "features": [
            {"name": "age", "expression": "years * 10"},
            {"name": "plan", "expression": "lower(p)"},
        ],
    }
    log = PredictionLog(database, FakeClock(), 1024**2)
    recorder = log.recorder(served("v"), RawRecords(features, SIGNATURE, {}))
    question = b'{"rows": [{"years": 1.5, "p": "A"}, {"years": 9.0, "p": "Z"}]}'
    recorder.answered(question, b"", 2, 0.01)
    found = count_entries(recorder, recorder.take()[1])
    assert found.inputs == [[1, 0, 1, 0], [1, 0, 1, 0]]
