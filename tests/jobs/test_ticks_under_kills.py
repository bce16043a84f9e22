"""Each tick once, whichever of several schedulers is killed and when.

`TEST_TICKS=10000` runs as many on each database; CI runs 200.
"""

import asyncio
import os
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from foretell.core.db import Base, Database
from foretell.core.pagination import Cursors
from foretell.jobs.ports import SilentBell
from foretell.jobs.schedule_tables import CatchUp, Overlap, ScheduleTick
from foretell.jobs.schedules import Plan, SchedulesService
from foretell.jobs.service import JobsService
from foretell.jobs.tables import Job
from tests.jobs import work
from tests.jobs.conftest import TABLES, eventually
from tests.jobs.ticking import OWNER, FastClock

TICKS = int(os.environ.get("TEST_TICKS", "200"))
EVERY_SECOND = Plan(
    "system.echo",
    {"value": 1},
    every_seconds=1.0,
    overlap=Overlap.QUEUE,
    catch_up=CatchUp.ALL,
)


async def put(url: str, clock: FastClock) -> None:
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=TABLES)
    async with database.writing() as session:
        parts: dict[str, Any] = {"clock": clock, "cursors": Cursors(b"k" * 32)}
        jobs = JobsService(
            session, registry=work.registry(), bell=SilentBell(), **parts
        )
        await SchedulesService(session, jobs=jobs, **parts).put(
            OWNER, "often", EVERY_SECOND
        )
    await database.close()


async def found(url: str) -> tuple[list[ScheduleTick], list[str]]:
    database = Database(url)
    async with database.reading() as session:
        ticks = await session.scalars(select(ScheduleTick).order_by(ScheduleTick.tick))
        jobs = await session.scalars(select(Job.id).order_by(Job.id))
        answer = list(ticks), list(jobs)
    await database.close()
    return answer


@pytest.mark.slow
def test_each_tick_is_one_job_whoever_is_killed(database_url: str) -> None:
    base = time.time()
    asyncio.run(put(database_url, FastClock(base)))
    module = [sys.executable, "-m", "tests.jobs.ticking"]
    killing = subprocess.Popen(
        [*module, database_url, str(base), "8"], stdout=subprocess.PIPE
    )

    async def are_enough() -> bool:
        await asyncio.sleep(0.5)
        return len((await found(database_url))[0]) >= TICKS

    try:
        asyncio.run(eventually(are_enough, 60 + TICKS / 10))
    finally:
        killing.terminate()
        kills = int(killing.communicate(timeout=30)[0])
    assert (killing.returncode, kills > 5) == (0, True)
    ticks, jobs = asyncio.run(found(database_url))
    moments = [tick.tick for tick in ticks]
    assert {b - a for a, b in pairwise(moments)} == {timedelta(seconds=1)}
    assert {tick.outcome for tick in ticks} == {"submitted"}
    assert sorted(str(tick.job_id) for tick in ticks) == jobs
