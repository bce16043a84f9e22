"""Claims, tokens, leases and unique keys, on each kind of database."""

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from foretell.core.clock import FakeClock, SystemClock
from foretell.core.db import Database
from foretell.jobs import endings
from foretell.jobs.adding import NewJob
from foretell.jobs.claims import Claim, Work
from foretell.jobs.errors import UniqueKeyTaken
from foretell.jobs.statements import Statements
from foretell.jobs.store import Filter, JobStore
from foretell.jobs.tables import JobState
from tests.jobs.conftest import Office

CLOCK = SystemClock()


class Bench:
    """A task that no running worker knows, so that the test is the worker."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.task = f"test.{secrets.token_hex(6)}"

    def job(self, **options: Any) -> NewJob:
        return replace(NewJob(self.task, {}, 1, "anna", 3, 60.0), **options)

    def work(self, host: str = "a", lease: float = 30.0) -> Work:
        return Work(f"{host}-{self.task}/1/1", (self.task,), (), lease)

    async def claimed(self, store: JobStore, work: Work) -> Claim:
        """The next job. SKIP LOCKED passes over rows that a running worker's own
        search, or another test's clean-up, holds for a moment."""
        async with asyncio.timeout(10):
            while (found := await store.claim(work)) is None:
                await asyncio.sleep(0.01)
        return found

    async def add(self, **options: Any) -> str:
        async with self.database.writing() as session:
            job, _ = await JobStore(session, CLOCK).add(self.job(**options))
            return job.id


@pytest.fixture
def bench(office: Office) -> Bench:
    return Bench(office.database)


async def test_a_lost_claim_can_write_nothing(bench: Bench) -> None:
    job_id = await bench.add()
    async with bench.database.writing() as session:
        store = JobStore(session, CLOCK)
        first = await bench.claimed(store, bench.work("a"))
        assert await store.free_worker(first.worker) == [job_id]
        second = await bench.claimed(store, bench.work("b"))
        assert second.token == first.token + 1
        assert not await store.beat(first, 30)
        assert not await store.write_progress(first, {"progress_done": 5})
        assert await store.is_cancel_asked(first) is None
        assert not await store.end(first, endings.succeeded(1, None, CLOCK.now()))
        assert await store.end(second, endings.succeeded(2, None, CLOCK.now()))
        job = await store.find(job_id)
    assert job is not None
    assert (job.state, job.result) == (JobState.SUCCEEDED, 2)


async def test_claims_at_the_same_time_never_take_one_job_twice(bench: Bench) -> None:
    ids = {await bench.add() for _ in range(8)}

    async def claim(host: str) -> list[str]:
        taken: list[str] = []
        while True:
            async with bench.database.writing() as session:
                found = await JobStore(session, CLOCK).claim(bench.work(host))
            if found is None:
                return taken
            taken.append(found.id)

    taken = await asyncio.gather(*(claim(host) for host in "abc"))
    assert sorted(chain(*taken)) == sorted(ids)


async def test_the_highest_priority_then_the_oldest_is_claimed_first(
    bench: Bench,
) -> None:
    now = CLOCK.now()
    later = await bench.add(run_at=now - timedelta(seconds=1))
    oldest = await bench.add(run_at=now - timedelta(seconds=9))
    urgent = await bench.add(priority=5)
    await bench.add(run_at=now + timedelta(hours=1), priority=9)
    taken: list[str] = []
    while len(taken) < 3:
        async with bench.database.writing() as session:
            claim = await bench.claimed(JobStore(session, CLOCK), bench.work())
        taken.append(claim.id)
    assert taken == [urgent, oldest, later]
    async with bench.database.writing() as session:
        assert await JobStore(session, CLOCK).claim(bench.work()) is None


async def test_a_passed_lease_frees_the_job_without_using_an_attempt(
    bench: Bench,
) -> None:
    job_id = await bench.add()
    async with bench.database.writing() as session:
        store = JobStore(session, CLOCK)
        await bench.claimed(store, bench.work(lease=-1.0))
        assert job_id in await store.free_lapsed()
        job = await store.find(job_id)
    assert job is not None
    assert (job.state, job.attempt, job.deaths) == ("queued", 0, 1)


async def test_a_unique_key_answers_the_active_job_and_is_free_afterwards(
    bench: Bench,
) -> None:
    first = await bench.add(unique_key="k")
    assert await bench.add(unique_key="k") == first
    assert await bench.add(unique_key="k", owner_id="ben") != first
    async with bench.database.writing() as session:
        await JobStore(session, CLOCK).cancel(first)
    assert await bench.add(unique_key="k") != first


async def test_submissions_at_the_same_time_with_one_key_make_one_job(
    bench: Bench,
) -> None:
    ids = await asyncio.gather(*(bench.add(unique_key="k") for _ in range(4)))
    assert len(set(ids)) == 1


async def test_a_retry_is_refused_while_another_job_has_the_key(bench: Bench) -> None:
    first = await bench.add(unique_key="k")
    async with bench.database.writing() as session:
        await JobStore(session, CLOCK).cancel(first)
    await bench.add(unique_key="k")
    async with bench.database.writing() as session:
        store = JobStore(session, CLOCK)
        job = await store.find(first)
        assert job is not None
        with pytest.raises(UniqueKeyTaken):
            await store.requeue(job)


async def test_a_rolled_back_request_leaves_no_job(bench: Bench) -> None:
    async def request() -> None:
        async with bench.database.writing() as session:
            await JobStore(session, CLOCK).add(bench.job())
            raise LookupError

    with pytest.raises(LookupError):
        await request()
    async with bench.database.reading() as session:
        wanted = Filter(task=bench.task)
        found = await JobStore(session, CLOCK).list_page(wanted, before=None, limit=9)
    assert found == []


async def test_a_job_asked_to_stop_does_not_go_back_to_the_queue(bench: Bench) -> None:
    job_id = await bench.add()
    async with bench.database.writing() as session:
        store = JobStore(session, CLOCK)
        claim = await bench.claimed(store, bench.work())
        await store.cancel(job_id)
        assert await store.is_cancel_asked(claim)
        assert await store.end(claim, endings.released(claim, CLOCK.now()))
        job = await store.find(job_id)
    assert job is not None
    assert job.state == "cancelled"


async def test_what_changed_is_found_by_the_databases_clock(bench: Bench) -> None:
    async with bench.database.writing() as session:
        store = JobStore(session, CLOCK)
        before = await store.database_clock()
        job, _ = await store.add(bench.job())
        changed = await store.changed_since(before)
        assert job.id in {found.id for found in changed}
        assert before <= job.changed_at <= await store.database_clock()


def test_only_sqlite_takes_the_clock_of_its_host() -> None:
    now = FakeClock().now()
    clocks = {name: str(Statements(name).clock(now)) for name in ("sqlite", "mysql")}
    assert "unix_timestamp" in clocks["mysql"]
    assert "unix_timestamp" not in clocks["sqlite"]
