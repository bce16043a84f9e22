"""Workers that find nothing by themselves: they look once in ten minutes, nobody
sweeps, and each pretends to be on a machine of its own.

So what runs was brought to them. They find what they are in the environment.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.parts import Parts
from foretell.jobs.carrying import Carrier
from foretell.jobs.composition import Composition, Timing
from foretell.jobs.context import JobContext
from foretell.jobs.ports import Executor
from foretell.jobs.registry import TaskRegistry
from foretell.jobs.supervisor import Supervisor
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.settings import Settings

TIMING = Timing(poll=600.0, fed_poll=600.0, drain=0.5)
EXECUTORS = {
    "celery": "foretell.plugins.executors.celery:CeleryExecutor",
    "rq": "foretell.plugins.executors.rq:RqExecutor",
    "dramatiq": "foretell.plugins.executors.dramatiq:DramatiqExecutor",
}
tasks = TaskRegistry()


@tasks.task("carried.shard", queue="shards")
async def shard(job: JobContext, number: int) -> int:
    return number * number


@tasks.task("carried.fan", queue="parents")
async def fan(job: JobContext, count: int) -> dict[str, Any]:
    """Shards and itself are of different queues, so of different workers here."""
    squares = await job.map(shard, [{"number": n} for n in range(count)])
    return {"sum": sum(squares), "pid": os.getpid()}


@tasks.task("carried.plain", queue="parents")
async def plain(job: JobContext) -> int:
    return os.getpid()


def make_executor(name: str, broker: str) -> Executor | None:
    if not name:
        return None
    module, _, attribute = EXECUTORS[name].partition(":")
    made: Executor = getattr(import_module(module), attribute)(broker)
    return made


def compose() -> Composition:
    """What the worker processes start with."""
    url = os.environ["CARRIED_URL"]
    folder = Path(os.environ["CARRIED_DIR"])
    executor, broker = os.environ["CARRIED_EXECUTOR"], os.environ["CARRIED_BROKER"]

    @asynccontextmanager
    async def services(database: Database) -> AsyncIterator[Parts]:
        parts = Parts(
            settings=Settings(data_dir=folder),
            database=database,
            clock=SystemClock(),
            cursors=Cursors(b"k" * 32),
            blobs=FileBlobStore(folder),
        )
        made = make_executor(executor, broker)
        if made is None:
            yield parts
            return
        carrier = Carrier(made, database, SystemClock())
        parts.provide(carrier)
        yield parts
        carrier.close()

    return Composition(
        registry=tasks,
        make_database=lambda: Database(url, pool_size=2),
        data_dir=folder,
        services=services,
        timing=TIMING,
        executor=make_executor(executor, broker),
        queues=(os.environ["CARRIED_QUEUE"],),
    )


def machine(
    database: Database,
    folder: Path,
    queue: str,
    *,
    url: str,
    executor: str = "",
    broker: str = "",
) -> Supervisor:
    """One worker for one queue, out of reach of every other's doorbell."""
    folder.mkdir(exist_ok=True)
    return Supervisor(
        "tests.jobs.carried:compose",
        database=database,
        data_dir=folder,
        timing=TIMING,
        environment={
            **os.environ,
            "CARRIED_URL": url,
            "CARRIED_DIR": str(folder),
            "CARRIED_QUEUE": queue,
            "CARRIED_EXECUTOR": executor,
            "CARRIED_BROKER": broker,
        },
    )
