"""The tasks of the suite, and what its worker processes are made of.

A worker is a process of its own: it finds its database, folder and executor in the
environment.
"""

import asyncio
import ctypes
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, insert

from foretell.composition import open_blobs
from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.parts import Parts
from foretell.errors import Unavailable
from foretell.jobs.composition import Composition, Timing
from foretell.jobs.context import JobContext
from foretell.jobs.ports import Executor
from foretell.jobs.registry import TaskRegistry
from foretell.settings import Settings

VARIABLES = ("_SUITE_DATABASE", "_SUITE_DIR", "_SUITE_EXECUTOR", "_SUITE_BROKER")
COMPOSITION = "foretell.testing.executor_suite.tasks:compose"
# Short, so that the suite does not wait; and no polling that would hide a deaf feed.
TIMING = Timing(lease=2.0, beat=0.5, grace=0.5, drain=0.5, fed_poll=60.0)
metadata = MetaData()
# One row for each completion, in the transaction that completes the job.
effects = Table(
    "suite_effects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(36), nullable=False),
    mysql_charset="utf8mb4",
)
tasks = TaskRegistry()


@tasks.task("suite.work")
async def work(job: JobContext, seconds: float = 0.0) -> int:
    """Takes its time, then leaves one effect."""
    await job.progress(1, 2, "halves", "half way")
    job.log("working")
    await asyncio.sleep(seconds)
    async with job.session() as session:
        await session.execute(insert(effects).values(job_id=job.job_id))
    return os.getpid()


@tasks.task("suite.spin")
def spin(job: JobContext) -> None:
    """Keeps the interpreter busy."""
    while True:
        pass


@tasks.task("suite.hold")
def hold(job: JobContext) -> None:
    """C code that lets no thread of the process run."""
    ctypes.PyDLL(None).sleep(60)


@tasks.task("suite.fail", max_attempts=3)
async def fail(job: JobContext) -> int:
    """Fails in its first try."""
    if job.attempt == 1:
        raise Unavailable("Not yet.", retry_after_seconds=1)
    return job.attempt


def make_executor(place: str, broker: str) -> Executor | None:
    """The executor at `module:name`; none for an empty place."""
    if not place:
        return None
    module, _, name = place.partition(":")
    make: Any = getattr(import_module(module), name)
    executor: Executor = make(broker)
    return executor


def compose() -> Composition:
    """What worker processes of the suite start with."""
    url, folder, place, broker = (os.environ[name] for name in VARIABLES)
    settings = Settings(data_dir=Path(folder))

    @asynccontextmanager
    async def services(database: Database) -> AsyncIterator[Parts]:
        yield Parts(
            settings=settings,
            database=database,
            clock=SystemClock(),
            cursors=Cursors(b"k" * 32),
            blobs=open_blobs(settings),
        )

    return Composition(
        registry=tasks,
        make_database=lambda: Database(url, pool_size=2),
        data_dir=Path(folder),
        services=services,
        timing=TIMING,
        executor=make_executor(place, broker),
        queues=tuple(filter(None, os.environ.get("_SUITE_QUEUES", "").split(","))),
    )
