"""What comes into the queue by itself is brought to workers at once, not by a sweep:
shards, parents whose last shard ended, retries, ticks, what a dead worker held."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from foretell.core.clock import SystemClock
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role, scopes_of
from foretell.jobs.carrying import Carrier
from foretell.jobs.claims import Work
from foretell.jobs.doorbell import socket_folder
from foretell.jobs.ledgers import open_ledger
from foretell.jobs.ports import Waiting
from foretell.jobs.runner import Runner
from foretell.jobs.scheduler import Scheduler
from foretell.jobs.schedules import Plan, SchedulesService
from foretell.jobs.service import JobsService
from foretell.jobs.store import JobStore
from foretell.jobs.supervisor import Supervisor
from tests.brokers import RedisServer
from tests.jobs import carried, work
from tests.jobs.conftest import Office, Site, eventually
from tests.jobs.test_carrying import Post

ADMIN = Principal("boss", "boss@x.org", Role.ADMIN, scopes_of(Role.ADMIN), "")


@pytest.fixture
async def post(quiet_office: Office) -> AsyncIterator[Post]:
    made = Post(quiet_office, SystemClock())
    yield made
    made.carrier.close()


@pytest.mark.parametrize(
    "executor",
    [
        "celery",
        pytest.param("rq", marks=pytest.mark.slow),
        pytest.param("dramatiq", marks=pytest.mark.slow),
    ],
)
async def test_a_fan_out_over_two_machines_needs_no_sweep(
    executor: str, quiet_office: Office, quiet_site: Site, tmp_path: Path
) -> None:
    office = quiet_office
    with RedisServer() as redis:
        async with AsyncExitStack() as stack:
            made = carried.make_executor(executor, redis.url)
            assert made is not None
            carrier = Carrier(made, office.database, SystemClock())
            stack.callback(carrier.close)
            machines = []
            for queue in ("parents", "shards"):
                machine = carried.machine(
                    office.database,
                    tmp_path / queue,
                    queue,
                    url=quiet_site.url,
                    executor=executor,
                    broker=redis.url,
                )
                machines.append(await stack.enter_async_context(machine))
            # Their first look, at an empty table.
            await eventually(lambda: _listen(tmp_path, "parents", "shards"), 60)
            async with office.database.writing() as session:
                jobs = JobsService(
                    session,
                    registry=carried.tasks,
                    clock=SystemClock(),
                    cursors=Cursors(b"k" * 32),
                    bell=carrier,
                )
                job = await jobs.submit("carried.fan", {"count": 5}, owner_id=None)
            done = await office.until_state(job.id, "succeeded", 60)
            assert done.result == {"sum": 30, "pid": machines[0].pids[0]}


async def _listen(folder: Path, *names: str) -> bool:
    folders = [socket_folder(folder / name) for name in names]
    return all(found and list(found.glob("worker-*")) for found in folders)


class Kept:
    """A bell that keeps why it was rung."""

    def __init__(self) -> None:
        self.told: list[Waiting] = []

    def ring(self, *jobs: Waiting) -> None:
        self.told += jobs


@pytest.fixture
async def runner(own_office: Office, own_site: Site) -> AsyncIterator[Runner]:
    """One that uses the ledger of its database, on each kind."""
    composition = work.composition_for(own_site.url, own_site.data_dir)
    async with composition.services(own_office.database) as services:
        made = Runner(
            composition,
            own_office.database,
            services,
            "w",
            workers_bell=Kept(),
            ledger_of=open_ledger,
        )
        yield made
        await made.aclose()


async def test_a_retry_and_a_woken_parent_are_told_on_every_database(
    own_office: Office, runner: Runner
) -> None:
    bell: Any = runner._workers_bell
    job_id = await own_office.submit("test.flaky", fails=1)
    claim = await runner.claim()
    assert claim is not None
    await runner.run(claim)
    (told,) = bell.told
    assert (told.id, told.queue) == (job_id, "default")
    assert told.run_at is not None
    seconds = await runner.until_due(60.0)
    assert 0 < seconds <= 1.5
    assert await runner.until_due(0.001) == 0.001
    left = (told.run_at - SystemClock().now()).total_seconds()
    assert abs(left - seconds) < 0.5
    await own_office.cancel(job_id)
    bell.told.clear()

    parent = await own_office.submit("test.fan", shards=2)
    claim = await runner.claim()
    assert claim is not None
    await runner.run(claim)
    assert len(bell.told) == 2
    assert parent not in [job.id for job in bell.told]
    bell.told.clear()
    for _ in range(2):
        assert bell.told == []
        claim = await runner.claim()
        assert claim is not None
        await runner.run(claim)
    assert [job.id for job in bell.told] == [parent]


async def test_an_id_for_a_moment_is_sent_at_that_moment(post: Post) -> None:
    loop = asyncio.get_running_loop()
    due = post.clock.now() + timedelta(seconds=0.4)
    later = await post.submit(run_at=due)
    began = loop.time()
    first = await post.submit()
    assert post.next() == first
    assert await asyncio.to_thread(post.next) == later
    assert 0.2 < loop.time() - began < 5


async def test_what_a_person_brings_back_is_sent(post: Post) -> None:
    database = post.office.database
    later = post.clock.now() + timedelta(hours=1)
    waiting = await post.submit(run_at=later)
    async with database.writing() as session:
        await post.service(session).retry(ADMIN, waiting)
    assert post.next() == waiting
    async with database.writing() as session:
        await post.service(session).cancel(ADMIN, waiting)
    async with database.writing() as session:
        await post.service(session).retry(ADMIN, waiting)
    assert post.next() == waiting
    for is_paused in (True, False):
        async with database.writing() as session:
            jobs = post.service(session)
            await jobs.set_queue(ADMIN, "default", is_paused=is_paused)
    assert post.next() == waiting


async def test_a_tick_is_sent_with_its_commit(post: Post) -> None:
    database = post.office.database
    plan = Plan("test.effect", {}, every_seconds=1.0)

    async def principal_of(_owner_id: str) -> Principal:
        return ADMIN

    async with database.writing() as session:
        schedules = SchedulesService(
            session,
            jobs=post.service(session),
            clock=post.clock,
            cursors=Cursors(b"k" * 32),
        )
        schedule, _ = await schedules.put(ADMIN, "often", plan)
        schedule.next_tick = post.clock.now()
    scheduler = Scheduler(database, post.clock, post.service, principal_of)
    await scheduler.sweep()
    sent = post.next()
    job = await post.office.job(sent)
    assert job.schedule_id == schedule.id


async def test_what_a_dead_worker_held_is_told(
    own_office: Office, own_site: Site
) -> None:
    job_id = await own_office.submit("test.effect")
    dead = Work("elsewhere/1/1", work.registry().names(), (), -1.0)
    async with own_office.database.writing() as session:
        assert await JobStore(session, SystemClock()).claim(dead) is not None
    bell = Kept()
    supervisor = Supervisor(
        "unused:unused",
        database=own_office.database,
        data_dir=own_site.data_dir,
        bell=bell,
    )
    await supervisor.sweep()
    assert [job.id for job in bell.told] == [job_id]


async def test_the_parent_of_what_is_cancelled_is_told(
    own_office: Office, runner: Runner
) -> None:
    parent = await own_office.submit("test.fan", shards=1)
    claim = await runner.claim()
    assert claim is not None
    await runner.run(claim)
    bell: Any = runner._workers_bell
    child = bell.told[0].id
    async with own_office.database.writing() as session:
        store = JobStore(session, SystemClock())
        await store.cancel(child)
    assert [job.id for job in store.woken] == [parent]
