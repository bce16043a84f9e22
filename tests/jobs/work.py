"""Tasks and a composition for worker processes of the tests.

A worker is a process of its own, so it finds its database in the environment:
`JOBS_TEST_URL`, `JOBS_TEST_DIR`, `JOBS_TEST_LEASE` for a short lease, and
`JOBS_TEST_EXECUTOR` with `JOBS_TEST_BROKER` where a broker brings the ids.
"""

import asyncio
import ctypes
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    event,
    func,
    insert,
    select,
)

from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.parts import Parts
from foretell.core.principal import Principal, Role, scopes_of
from foretell.errors import Invalid, Unavailable
from foretell.jobs import tasks as built_in
from foretell.jobs.composition import Composition, Timing
from foretell.jobs.context import JobContext
from foretell.jobs.mail import Mailer
from foretell.jobs.ports import Executor
from foretell.jobs.registry import TaskRegistry
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.settings import Settings

metadata = MetaData()
# One row per completion: published in the transaction that completes the job, so a
# job that completed twice shows as two rows.
effects = Table(
    "test_effects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(36), nullable=False),
    Column("pid", Integer, nullable=False),
    mysql_charset="utf8mb4",
)
tasks = TaskRegistry()


async def _publish(job: JobContext) -> None:
    async with job.session() as session:
        await session.execute(
            insert(effects).values(job_id=job.job_id, pid=os.getpid())
        )


@tasks.task("test.effect")
async def effect(job: JobContext, seconds: float = 0.0) -> dict[str, Any]:
    """Takes its time, then leaves one row."""
    await asyncio.sleep(seconds)
    await _publish(job)
    return {"pid": os.getpid()}


@tasks.task("test.shard")
async def shard(job: JobContext, number: int, seconds: float = 0.0) -> dict[str, int]:
    """One shard, which ends badly while a file named after it exists."""
    await asyncio.sleep(seconds)
    if (job.services.settings.data_dir / f"bad-{number}").exists():
        raise Invalid("This shard is bad.")
    await _publish(job)
    return {"number": number, "shard": job.shard or 0}


@tasks.task("test.fan")
async def fan(job: JobContext, shards: int, seconds: float = 0.0) -> dict[str, Any]:
    """Two fan-outs, one after the other, then an effect of its own."""
    numbers = [{"number": n, "seconds": seconds} for n in range(shards)]
    made = await job.map(shard, numbers)
    last = await job.map("test.shard", numbers[:1], at_once=1)
    await _publish(job)
    return {"numbers": [m["number"] for m in made], "last": last[0]["shard"]}


@tasks.task("test.fan_plain")
def fan_plain(job: JobContext, shards: int) -> int:
    """The same as a plain function, once."""
    made = job.wait_for(job.map(shard, [{"number": n} for n in range(shards)]))
    job.wait_for(_publish(job))
    return len(made)


@tasks.task("test.fan_changing")
async def fan_changing(job: JobContext, kind: str) -> None:
    """Asks for other shards the second time, or publishes first."""
    if kind == "session":
        await _publish(job)
    path = job.services.settings.data_dir / f"seen-{job.job_id}"
    count = 2 if path.exists() else 1
    path.touch()
    await job.map(shard, [{"number": n} for n in range(count)])


@tasks.task("test.fan_fans")
async def fan_fans(job: JobContext, seconds: float) -> int:
    """Children that have children."""
    return len(await job.map(fan, [{"shards": 2, "seconds": seconds}] * 2))


@tasks.task("test.plain")
def plain(job: JobContext, seconds: float = 0.0) -> dict[str, Any]:
    """The same as a plain function."""
    job.progress(1, 2, "things", "half way")
    time.sleep(seconds)
    job.wait_for(_publish(job))
    return {"pid": os.getpid()}


@tasks.task("test.unlucky")
async def unlucky(job: JobContext, seconds: float = 0.0) -> None:
    """As `effect`, but every fifth fails at first, after it published something."""
    await asyncio.sleep(seconds)
    await _publish(job)
    if job.attempt == 1 and int(job.job_id[-1], 16) % 5 == 0:
        raise Unavailable("Not yet.", retry_after_seconds=0)


@tasks.task("test.spin")
def spin(job: JobContext) -> None:
    """Keeps the interpreter busy and never looks up."""
    job.log("spinning")
    count = 0
    while True:
        count += 1


@tasks.task("test.spin_async")
async def spin_async(job: JobContext) -> None:
    """A coroutine that never awaits."""
    count = 0
    while True:
        count += 1


@tasks.task("test.stubborn")
def stubborn(job: JobContext) -> None:
    """Swallows whatever tells it to stop."""
    while True:
        try:
            time.sleep(60)
        except BaseException:  # noqa: S112 - that is the point
            continue


@tasks.task("test.hold_lock")
def hold_lock(job: JobContext, seconds: int) -> None:
    """C code that keeps the interpreter lock: no thread of the process runs."""
    ctypes.PyDLL(None).sleep(seconds)


@tasks.task("test.die")
async def die(job: JobContext) -> None:
    """Takes its worker along."""
    os._exit(9)


@tasks.task("test.die_at_commit")
async def die_at_commit(job: JobContext) -> None:
    """Ends the process right after its commit, before anybody heard of it."""
    async with job.session() as session:
        await session.execute(insert(effects).values(job_id=job.job_id, pid=0))
        event.listen(session.sync_session, "after_commit", lambda _: os._exit(9))


@tasks.task("test.fail", max_attempts=2)
async def fail(job: JobContext, kind: str) -> None:
    """Raises an error of the kind, after it published something."""
    await _publish(job)
    if kind == "exit":
        raise SystemExit(3)
    raise {
        "invalid": Invalid("The input is wrong."),
        "unavailable": Unavailable("The other side is away.", retry_after_seconds=0),
        "bug": KeyError("secret"),
        "system": FileNotFoundError(2, "No such file", "/srv/secret"),
    }[kind]


@tasks.task("test.bad_result")
async def bad_result(job: JobContext) -> str:
    return "half \ud800 a pair"


@tasks.task("test.flaky", max_attempts=3)
async def flaky(job: JobContext, fails: int) -> int:
    """Fails in its first tries."""
    if job.attempt <= fails:
        raise Unavailable("Not yet.", retry_after_seconds=0)
    return job.attempt


@tasks.task("test.chatty")
async def chatty(job: JobContext, updates: int) -> dict[str, float]:
    """Says how far it is, far more often than anybody can read."""
    print("printed words")
    for done in range(updates):
        await job.progress(done + 1, updates, "rows", f"row {done + 1}")
        await asyncio.sleep(0.002)
    return {"nan": float("nan")}


class Whole(BaseModel):
    count: int


@tasks.task("test.whole", version=2, upgrade=lambda _v, old: {"count": old["n"]})
async def whole(job: JobContext, args: Whole) -> str:
    return f"{args.count} for {job.principal.email}"


def registry() -> TaskRegistry:
    return TaskRegistry().include(tasks, built_in.tasks)


async def principal_of(_database: Database, owner_id: str) -> Principal | None:
    if owner_id == "gone":
        return None
    return Principal(
        owner_id, f"{owner_id}@x.org", Role.EDITOR, scopes_of(Role.EDITOR), "job"
    )


def composition_for(
    url: str,
    data_dir: Path,
    *,
    lease: float = 30.0,
    clock: Any = None,
    executor: Executor | None = None,
) -> Composition:
    settings = Settings(data_dir=data_dir)

    @asynccontextmanager
    async def services(database: Database) -> AsyncIterator[Parts]:
        parts = Parts(
            settings=settings,
            database=database,
            clock=SystemClock(),
            cursors=Cursors(b"k" * 32),
            blobs=FileBlobStore(data_dir),
        )
        parts.provide(Mailer.of(settings))
        yield parts

    return Composition(
        registry=registry(),
        make_database=lambda: Database(url, pool_size=2),
        data_dir=data_dir,
        services=services,
        principal_of=principal_of,
        clock=clock or SystemClock(),
        timing=timing_of(lease),
        executor=executor,
    )


def timing_of(lease: float) -> Timing:
    """The usual times, but less patience with what will not stop."""
    return Timing(lease=lease, beat=min(5.0, lease / 4), grace=0.5, drain=0.5)


def compose() -> Composition:
    """What worker processes of the tests start with."""
    return composition_for(
        os.environ["JOBS_TEST_URL"],
        Path(os.environ["JOBS_TEST_DIR"]),
        lease=float(os.environ.get("JOBS_TEST_LEASE", "30")),
        executor=executor_of_process(),
    )


def executor_of_process() -> Executor | None:
    """What this process was told to use, without a connection."""
    place = os.environ.get("JOBS_TEST_EXECUTOR", "")
    return make_executor(place, os.environ.get("JOBS_TEST_BROKER", ""))


def make_executor(place: str, broker_url: str) -> Executor | None:
    """The executor at `module:name`; none for an empty place."""
    if not place:
        return None
    module, _, name = place.partition(":")
    executor: Executor = getattr(import_module(module), name)(broker_url)
    return executor


async def count_effects(database: Database, *job_ids: str) -> list[int]:
    """How often each job completed."""
    statement = select(effects.c.job_id, func.count()).group_by(effects.c.job_id)
    wanted = statement.where(effects.c.job_id.in_(job_ids))
    async with database.reading() as session:
        found = {job_id: n for job_id, n in await session.execute(wanted)}
    return [found.get(job_id, 0) for job_id in job_ids]
