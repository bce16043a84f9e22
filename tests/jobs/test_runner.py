"""One try of one job, in this process and by a clock the test moves."""

from datetime import timedelta
from typing import Any

import pytest

from foretell.core.clock import FakeClock, SystemClock
from foretell.core.pagination import Cursors
from foretell.core.parts import Parts
from foretell.jobs.drain import run_all
from foretell.jobs.health import queue_health
from foretell.jobs.identity import worker_identity
from foretell.jobs.runner import Runner
from foretell.jobs.store import JobStore
from foretell.jobs.tables import Job
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.settings import Settings
from tests.jobs import work
from tests.jobs.conftest import Office, Site


class Shop:
    """Submits and drains with a fake clock."""

    def __init__(self, office: Office, site: Site) -> None:
        self.office = office
        self.clock = FakeClock(SystemClock().now())
        self.parts = work.composition_for(site.url, site.data_dir, clock=self.clock)

    async def run(self, task: str, **options: Any) -> Job:
        job_id = await self.office.submit(task, **options)
        self.clock.advance(seconds=1)
        await self.drain()
        return await self.office.job(job_id)

    def runner(self) -> Runner:
        """A worker that the test drives."""
        parts = Parts(
            settings=Settings(data_dir=self.parts.data_dir),
            database=self.office.database,
            clock=self.clock,
            cursors=Cursors(b"k" * 32),
            blobs=FileBlobStore(self.parts.data_dir),
        )
        return Runner(self.parts, self.office.database, parts, worker_identity())

    async def drain(self) -> int:
        return await run_all(self.parts, self.office.database)


@pytest.fixture
def shop(quiet_office: Office, quiet_site: Site) -> Shop:
    return Shop(quiet_office, quiet_site)


@pytest.mark.parametrize("kind", ["invalid", "exit"])
async def test_an_error_that_will_not_pass_ends_the_job_and_its_publication(
    shop: Shop, kind: str
) -> None:
    job = await shop.run("test.fail", kind=kind)
    assert (job.state, job.attempt) == ("failed", 1)
    assert await shop.office.effects(job.id) == [0]


@pytest.mark.parametrize("kind", ["unavailable", "bug", "system"])
async def test_an_error_that_may_pass_is_tried_again_after_a_while(
    shop: Shop, kind: str
) -> None:
    job = await shop.run("test.fail", kind=kind)
    assert (job.state, job.attempt) == ("queued", 1)
    assert job.run_at > shop.clock.now()
    assert await shop.drain() == 0
    shop.clock.advance(minutes=1)
    assert await shop.drain() == 1
    assert (await shop.office.job(job.id)).state == "failed"
    assert await shop.office.effects(job.id) == [0]


@pytest.mark.parametrize(
    ("kind", "slug"),
    [("invalid", "invalid"), ("bug", "task-failed"), ("system", "task-failed")],
)
async def test_the_error_is_a_problem_without_secrets(
    shop: Shop, kind: str, slug: str
) -> None:
    job = await shop.run("test.fail", kind=kind, max_attempts=1)
    assert job.error["type"].endswith(f"/{slug}")
    assert {"title", "status", "detail"} <= job.error.keys()
    assert "secret" not in str(job.error)
    # A logger nobody configured prints; the server's is, and does not print.
    lines = shop.office.log(job.id).splitlines()
    said = "\n".join(line for line in lines if " PRINT" not in line)
    assert "/srv" not in said
    assert "tests.jobs.work.fail, line" in said


async def test_a_result_that_no_database_stores_fails_the_job(shop: Shop) -> None:
    job = await shop.run("test.bad_result")
    assert job.state == "failed"
    assert job.error["detail"] == "The task's result is not JSON."


async def test_arguments_of_an_older_version_are_brought_up_to_date(
    shop: Shop,
) -> None:
    job_id = await shop.office.submit("test.whole", count=1, owner_id="anna")
    async with shop.office.database.writing() as session:
        job = await JobStore(session, shop.clock).find(job_id)
        assert job is not None
        job.args, job.args_version = {"n": 7}, 1
    shop.clock.advance(seconds=1)
    await shop.drain()
    assert (await shop.office.job(job_id)).result == "7 for anna@x.org"


async def test_arguments_of_a_newer_version_wait_for_a_newer_worker(
    shop: Shop,
) -> None:
    job_id = await shop.office.submit("test.whole", count=1)
    async with shop.office.database.writing() as session:
        job = await JobStore(session, shop.clock).find(job_id)
        assert job is not None
        job.args_version = 3
    shop.clock.advance(seconds=1)
    await shop.drain()
    job = await shop.office.job(job_id)
    assert (job.state, job.attempt) == ("queued", 0)
    assert job.run_at - shop.clock.now() == timedelta(seconds=30)


async def test_a_job_whose_owner_is_gone_fails(shop: Shop) -> None:
    job = await shop.run("test.effect", owner_id="gone")
    assert job.error["type"].endswith("/job-owner-gone")


async def test_mail_goes_to_the_outbox_without_a_server(shop: Shop) -> None:
    job = await shop.run("mail.send", to="a@example.org", subject="Hello", text="Hä?")
    assert job.state == "succeeded"
    written = shop.office.data_dir / "outbox" / f"{job.id}.eml"
    assert f"Message-ID: <{job.id}@localhost>" in written.read_text("utf-8")


async def test_a_queue_without_a_worker_shows_its_age(shop: Shop) -> None:
    await shop.office.submit("system.echo", run_at=shop.clock.now())
    await shop.office.submit("system.echo", run_at=shop.clock.now())
    fresh = await queue_health(shop.office.database, shop.clock)
    assert (fresh["queued"], fresh["is_stalled"]) == (2, False)
    shop.clock.advance(seconds=90)
    old = await queue_health(shop.office.database, shop.clock)
    assert old["oldest_due_seconds"] == 90
    assert old["is_stalled"]
    await shop.drain()
    empty = await queue_health(shop.office.database, shop.clock)
    assert (empty["queued"], empty["oldest_due_seconds"]) == (0, 0)
