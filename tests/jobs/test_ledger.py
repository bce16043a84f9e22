"""Every way of a worker to the jobs table does the same, on each kind of database."""

import secrets
from collections.abc import AsyncIterator, Callable

import pytest

from foretell.core.clock import SystemClock
from foretell.jobs import endings
from foretell.jobs.adding import NewJob
from foretell.jobs.claims import Claim, Work
from foretell.jobs.errors import JobLost
from foretell.jobs.ledger import Ledger, SessionLedger
from foretell.jobs.ledgers import open_ledger
from foretell.jobs.store import JobStore
from tests.jobs.conftest import Office, eventually

CLOCK = SystemClock()


class Desk:
    """A ledger whose task no running worker knows, so that the test is the worker."""

    def __init__(self, office: Office, ledger_of: Callable[..., Ledger]) -> None:
        self.office = office
        self.task = f"test.{secrets.token_hex(6)}"
        self.work = Work(f"a-{self.task}/1/1", (self.task,), (), 30.0)
        self.ledger = ledger_of(office.database, self.work, CLOCK)

    async def add(self) -> str:
        async with self.office.database.writing() as session:
            new = NewJob(self.task, {"a": [1, "ß"]}, 1, "anna", 3, 60.0)
            return (await JobStore(session, CLOCK).add(new))[0].id

    async def claimed(self) -> Claim:
        """The next job; SKIP LOCKED passes over what others look at for a moment."""
        found: list[Claim] = []

        async def look() -> bool:
            found.extend(filter(None, [await self.ledger.claim()]))
            return bool(found)

        await eventually(look, 10)
        return found[0]


@pytest.fixture(params=[SessionLedger, open_ledger])
async def desk(office: Office, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    made = Desk(office, request.param)
    yield made
    await made.ledger.close()


async def test_a_claim_holds_what_was_submitted(desk: Desk) -> None:
    assert not await desk.ledger.is_due()
    job_id = await desk.add()
    assert await desk.ledger.is_due()
    claim = await desk.claimed()
    assert (claim.id, claim.args, claim.attempt) == (job_id, {"a": [1, "ß"]}, 1)
    job = await desk.office.job(job_id)
    assert (job.state, job.worker) == ("running", desk.work.worker)
    assert (job.started_at, job.token) == (claim.started_at, claim.token)
    assert await desk.ledger.claim() is None


async def test_settling_writes_the_end_and_takes_the_next(desk: Desk) -> None:
    first, second = await desk.add(), await desk.add()
    claim = await desk.claimed()
    ending = endings.succeeded({"n": None}, "/api/x", CLOCK.now())
    progress = {"progress_done": 3, "progress_message": "three"}
    following = await desk.ledger.settle(claim, ending, progress, True)
    following = following or await desk.claimed()
    assert (claim.id, following.id) == (first, second)
    job = await desk.office.job(first)
    assert (job.state, job.result, job.target) == ("succeeded", {"n": None}, "/api/x")
    assert (job.progress_message, job.worker, job.error) == ("three", None, None)
    (attempt,) = await desk.office.attempts(first)
    assert (attempt.outcome, attempt.attempt, attempt.error) == ("succeeded", 1, None)
    failed = endings.failed(following, {"title": "No"}, None, CLOCK.now())
    assert await desk.ledger.settle(following, failed, None, False) is None
    assert (await desk.office.job(second)).error == {"title": "No"}


async def test_who_lost_the_job_writes_and_takes_nothing(desk: Desk) -> None:
    job_id = await desk.add()
    claim = await desk.claimed()
    async with desk.office.database.writing() as session:
        assert await JobStore(session, CLOCK).free_worker(claim.worker) == [job_id]
    other = await desk.add()
    ending = endings.succeeded(1, None, CLOCK.now())
    with pytest.raises(JobLost):
        await desk.ledger.settle(claim, ending, None, True)
    assert [(await desk.office.job(i)).state for i in (job_id, other)] == ["queued"] * 2
    assert [a.outcome for a in await desk.office.attempts(job_id)] == ["worker_died"]


async def test_a_job_told_to_stop_does_not_go_back_to_the_queue(desk: Desk) -> None:
    job_id = await desk.add()
    claim = await desk.claimed()
    await desk.office.cancel(job_id)
    released = endings.released(claim, CLOCK.now())
    assert await desk.ledger.settle(claim, released, None, False) is None
    assert (await desk.office.job(job_id)).state == "cancelled"
