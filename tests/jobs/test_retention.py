"""What ended long ago is forgotten, with its tries and its log; nothing else is."""

from datetime import timedelta

from sqlalchemy import update

from foretell.core.clock import FakeClock, SystemClock
from foretell.core.ids import lowest_id, new_id
from foretell.jobs.families import FamilyStore
from foretell.jobs.logs import log_path
from foretell.jobs.retention import Retention
from foretell.jobs.store import JobStore
from foretell.jobs.tables import Job
from tests.jobs.conftest import Office, Site
from tests.jobs.test_runner import Shop

CLOCK = SystemClock()


def test_the_lowest_id_of_a_moment_sorts_before_those_made_later() -> None:
    now = CLOCK.now()
    assert lowest_id(now) < new_id()
    assert new_id() < lowest_id(now + timedelta(seconds=60))


async def test_old_jobs_go_and_young_ones_stay(
    quiet_office: Office, quiet_site: Site
) -> None:
    office, shop = quiet_office, Shop(quiet_office, quiet_site)
    failed = await shop.run("test.fail", kind="invalid")
    done = await shop.run("test.effect")
    waiting = await office.submit("test.effect")
    assert log_path(office.data_dir, failed.id).exists()
    later = FakeClock(CLOCK.now() + timedelta(days=9))
    for days, forgotten in ((10, 0), (0, 0), (8, 2), (8, 0)):
        retention = Retention(office.database, later, office.data_dir, days)
        assert await retention.forget() == forgotten
    async with office.database.reading() as session:
        found = await JobStore(session, CLOCK).find_many([failed.id, done.id, waiting])
    assert [job.id for job in found] == [waiting]
    assert await office.attempts(failed.id) == []
    assert not log_path(office.data_dir, failed.id).exists()


async def test_many_old_jobs_go_a_portion_at_a_time(quiet_office: Office) -> None:
    office = quiet_office
    for _ in range(450):
        await office.submit("test.effect")
    async with office.database.writing() as session:
        ended = {"state": "succeeded", "finished_at": CLOCK.now()}
        await session.execute(update(Job).values(ended))
    later = FakeClock(CLOCK.now() + timedelta(days=31))
    retention = Retention(office.database, later, office.data_dir, 30, at_most=300)
    assert [await retention.forget() for _ in range(3)] == [400, 50, 0]


async def test_shards_of_a_parent_that_waits_and_jobs_tried_again_stay(
    office: Office,
) -> None:
    job_id = await office.submit("test.fan", shards=1)
    await office.until_state(job_id, "succeeded")
    later = CLOCK.now() + timedelta(days=9)
    async with office.database.writing() as session:
        families = FamilyStore(session, CLOCK)
        old = await families.ended_before(later, 10_000)
        assert job_id in old
        await session.execute(
            update(Job).where(Job.id == job_id).values(state="running")
        )
        still = await families.ended_before(later, 10_000)
        assert len(old) - len(still) == 3  # the parent and its two shards
        await families.forget([job_id], later)
        assert await JobStore(session, CLOCK).find(job_id) is not None
        await session.rollback()
    assert await office.attempts(job_id) != []
