"""Schedules on each kind of database, with a clock that the test moves."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from foretell.core.clock import FakeClock
from foretell.core.db import Base, Database
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role, scopes_of
from foretell.jobs import endings
from foretell.jobs.claims import Work
from foretell.jobs.errors import QueueForbidden, ScheduleNameTaken, ScheduleNotFound
from foretell.jobs.ports import SilentBell
from foretell.jobs.schedule_store import ScheduleStore
from foretell.jobs.schedule_tables import CatchUp, Overlap, Schedule, ScheduleTick
from foretell.jobs.scheduler import OWNER_GONE, Scheduler
from foretell.jobs.schedules import Plan, ScheduleInvalid, SchedulesService
from foretell.jobs.service import JobsService
from foretell.jobs.store import JobStore
from foretell.jobs.tables import Job
from tests.jobs import work
from tests.jobs.conftest import TABLES

ECHO = Plan("system.echo", {"value": 1}, every_seconds=60.0)


def caller(name: str, role: Role = Role.EDITOR) -> Principal:
    return Principal(name, f"{name}@x.org", role, scopes_of(role), "key")


ANNA, BEN, ROOT = caller("anna"), caller("ben"), caller("root", Role.ADMIN)


@dataclass
class Office:
    """A database, a clock, and who may act."""

    database: Database
    clock: FakeClock = field(default_factory=FakeClock)
    gone: set[str] = field(default_factory=set)

    def jobs(self, session: Any) -> JobsService:
        return JobsService(
            session,
            registry=work.registry(),
            clock=self.clock,
            cursors=Cursors(b"k" * 32),
            bell=SilentBell(),
        )

    def schedules(self, session: Any) -> SchedulesService:
        return SchedulesService(
            session,
            jobs=self.jobs(session),
            clock=self.clock,
            cursors=Cursors(b"k" * 32),
        )

    def scheduler(self) -> Scheduler:
        async def principal_of(owner_id: str) -> Principal | None:
            return None if owner_id in self.gone else caller(owner_id)

        return Scheduler(self.database, self.clock, self.jobs, principal_of)

    async def put(self, plan: Plan, name: str = "nightly") -> Schedule:
        async with self.database.writing() as session:
            return (await self.schedules(session).put(ANNA, name, plan))[0]

    async def after(self, **by: float) -> list[Job]:
        """All jobs once the clock moved and a server looked."""
        self.clock.advance(**by)
        await self.scheduler().sweep()
        async with self.database.reading() as session:
            return list(await session.scalars(select(Job).order_by(Job.id)))

    async def ticks(self, name: str = "nightly") -> list[ScheduleTick]:
        async with self.database.reading() as session:
            return await self.schedules(session).ticks(ROOT, name)

    async def claim(self, count: int = 1) -> list[Any]:
        work_ = Work("w/1/1", work.registry().names(), (), 30.0)
        async with self.database.writing() as session:
            store = JobStore(session, self.clock)
            return [await store.claim(work_) for _ in range(count)]


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=TABLES)
    yield Office(database)
    await database.close()


async def test_a_tick_becomes_a_job_of_the_owner(office: Office) -> None:
    schedule = await office.put(ECHO)
    assert await office.after(seconds=59) == []
    (job,) = await office.after(seconds=1)
    assert (job.task, job.args, job.owner_id) == ("system.echo", {"value": 1}, "anna")
    assert job.schedule_id == schedule.id
    assert len(await office.after(seconds=1)) == 1
    (tick,) = await office.ticks()
    assert (tick.outcome, tick.job_id) == ("submitted", job.id)
    assert tick.tick - schedule.anchor == timedelta(seconds=60)


async def test_any_number_of_servers_run_each_tick_once(office: Office) -> None:
    await office.put(Plan("system.echo", {}, every_seconds=10, overlap=Overlap.QUEUE))
    for _ in range(6):
        office.clock.advance(seconds=10)
        await asyncio.gather(*(office.scheduler().sweep() for _ in range(4)))
    ticks = await office.ticks()
    jobs = await office.after(seconds=0)
    assert len(jobs) == len(ticks) == 6
    assert max(Counter(t.tick for t in ticks).values()) == 1


@pytest.mark.parametrize(
    ("catch_up", "count"), [(CatchUp.NONE, 0), (CatchUp.ONE, 1), (CatchUp.ALL, 5)]
)
async def test_what_was_missed_is_caught_up_as_wanted(
    office: Office, catch_up: CatchUp, count: int
) -> None:
    await office.put(
        Plan(
            "system.echo",
            {},
            every_seconds=600,
            catch_up=catch_up,
            overlap=Overlap.QUEUE,
        )
    )
    assert len(await office.after(minutes=55)) == count
    # And then it goes on in its time.
    assert len(await office.after(minutes=5)) == count + 1


async def test_a_tick_is_skipped_while_an_earlier_job_is_active(office: Office) -> None:
    await office.put(ECHO)
    await office.after(minutes=1)
    assert len(await office.after(minutes=1)) == 1
    assert [t.outcome for t in await office.ticks()] == ["skipped", "submitted"]
    (claim,) = await office.claim()
    async with office.database.writing() as session:
        ending = endings.succeeded(None, None, office.clock.now())
        await JobStore(session, office.clock).end(claim, ending)
    assert len(await office.after(minutes=1)) == 2


async def test_queued_ticks_run_one_after_the_other(office: Office) -> None:
    await office.put(Plan("system.echo", {}, every_seconds=60, overlap=Overlap.QUEUE))
    await office.after(minutes=1)
    await office.after(minutes=1)
    first, nothing = await office.claim(2)
    assert first is not None
    assert nothing is None
    async with office.database.writing() as session:
        ending = endings.succeeded(None, None, office.clock.now())
        await JobStore(session, office.clock).end(first, ending)
    (second,) = await office.claim()
    assert second is not None
    assert second.id > first.id


async def test_a_disabled_owner_pauses_the_schedule(office: Office) -> None:
    await office.put(ECHO)
    office.gone.add("anna")
    assert await office.after(minutes=1) == []
    async with office.database.reading() as session:
        found = await office.schedules(session).get(ROOT, "nightly")
    assert (found.pause, found.next_tick) == (OWNER_GONE, None)


async def test_a_task_that_is_refused_leaves_a_note(office: Office) -> None:
    await office.put(ECHO)
    async with office.database.writing() as session:
        found = await ScheduleStore(session).find("nightly", lock=True)
        assert found is not None
        found.task = "mail.send"  # since then for admins only, say
    assert await office.after(minutes=1) == []
    (tick,) = await office.ticks()
    assert tick.outcome == "refused"
    assert tick.error["type"].endswith("/task-forbidden")


async def test_a_pause_is_not_caught_up(office: Office) -> None:
    await office.put(Plan("system.echo", {}, every_seconds=60, catch_up=CatchUp.ALL))
    async with office.database.writing() as session:
        await office.schedules(session).set_paused(ANNA, "nightly", is_paused=True)
    assert await office.after(minutes=10) == []
    async with office.database.writing() as session:
        await office.schedules(session).set_paused(ANNA, "nightly", is_paused=False)
    assert await office.after(seconds=0) == []
    assert len(await office.after(minutes=1)) == 1


async def test_names_are_one_for_all_and_schedules_their_owners(office: Office) -> None:
    await office.put(ECHO)
    async with office.database.writing() as session:
        schedules = office.schedules(session)
        with pytest.raises(ScheduleNotFound):
            await schedules.get(BEN, "nightly")
        with pytest.raises(ScheduleNameTaken):
            await schedules.put(BEN, "nightly", ECHO)
        assert (await schedules.list_page(BEN, cursor=None, limit=9)).items == []
        assert len((await schedules.list_page(ROOT, cursor=None, limit=9)).items) == 1
        job = await schedules.run(ROOT, "nightly")
        assert job.owner_id == "anna"
        await schedules.delete(ANNA, "nightly")


@pytest.mark.parametrize(
    "plan",
    [
        Plan("system.echo", {}),
        Plan("system.echo", {}, cron="* * * * *", every_seconds=5),
        Plan("system.echo", {}, cron="* * * *"),
        Plan("system.echo", {}, cron="* * * * *", timezone="Mars/Base"),
    ],
)
def test_a_schedule_says_when(plan: Plan) -> None:
    with pytest.raises(ScheduleInvalid):
        plan.demand_sense()


async def test_jobs_of_a_paused_queue_wait(office: Office) -> None:
    async with office.database.writing() as session:
        jobs = office.jobs(session)
        job = await jobs.submit("system.echo", {}, owner_id="anna", queue="slow")
        with pytest.raises(QueueForbidden):
            await jobs.set_queue(ANNA, "slow", is_paused=True)
        paused = await jobs.set_queue(ROOT, "slow", is_paused=True)
        assert (paused.paused, paused.queued) == (True, 1)
    assert await office.claim() == [None]
    async with office.database.writing() as session:
        await office.jobs(session).set_queue(ROOT, "slow", is_paused=False)
    assert [c.id for c in await office.claim()] == [job.id]


async def test_a_key_lets_so_many_run_and_the_rest_wait(office: Office) -> None:
    options = {"concurrency_key": "smtp", "concurrency_limit": 2}
    async with office.database.writing() as session:
        jobs = office.jobs(session)
        for _ in range(4):
            await jobs.request(ANNA, "system.echo", {}, **options)
        await jobs.request(BEN, "system.echo", {}, concurrency_key="smtp")
    claims = await office.claim(5)
    owners = [claim.owner_id for claim in claims if claim is not None]
    assert owners == ["anna", "anna", "ben"]


async def test_a_job_that_did_not_begin_in_time_fails(office: Office) -> None:
    office_now = office.clock.now()
    async with office.database.writing() as session:
        job = await office.jobs(session).submit(
            "system.echo", {}, owner_id="anna", expires_at=office_now
        )
    office.clock.advance(seconds=1)
    assert await office.claim() == [None]
    (found,) = await office.after(seconds=1)
    assert (found.id, found.state) == (job.id, "failed")
    assert found.error["type"].endswith("/job-expired")
