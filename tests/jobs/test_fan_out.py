"""Parents and children: results in order, no waiting worker, cancel, retry, kills."""

import pytest

from foretell.core.clock import SystemClock
from foretell.core.principal import Principal, Role, scopes_of
from foretell.jobs.families import FamilyStore
from foretell.jobs.store import Filter, JobStore
from foretell.jobs.tables import Job
from tests.jobs.conftest import Office, Site, eventually
from tests.jobs.test_runner import Shop
from tests.jobs.test_workers import running

CLOCK = SystemClock()
ADMIN = Principal("admin", "a@x.org", Role.ADMIN, scopes_of(Role.ADMIN), "test")


@pytest.fixture
def shop(quiet_office: Office, quiet_site: Site) -> Shop:
    return Shop(quiet_office, quiet_site)


async def children(office: Office, job_id: str) -> list[Job]:
    async with office.database.reading() as session:
        wanted = Filter(parent_id=job_id)
        store = JobStore(session, CLOCK)
        found = await store.list_page(wanted, before=None, limit=10_000)
    return sorted(found, key=lambda job: (job.stage or 0, job.shard or 0))


async def until_all(office: Office, job_id: str, state: str) -> None:
    async def look() -> bool:
        return {job.state for job in await children(office, job_id)} == {state}

    await eventually(look)


async def cancel(office: Office, job_id: str) -> None:
    async with office.database.writing() as session:
        await office.service(session).cancel(ADMIN, job_id)


async def retry(office: Office, job_id: str) -> None:
    async with office.database.writing() as session:
        await office.service(session).retry(ADMIN, job_id)


async def test_a_parent_gets_the_results_in_the_order_of_its_shards(
    office: Office,
) -> None:
    job_id = await office.submit("test.fan", shards=7, owner_id="anna", priority=3)
    job = await office.until_state(job_id, "succeeded", 60)
    assert job.result == {"numbers": list(range(7)), "last": 0}
    assert (job.attempt, job.progress_done, job.progress_total) == (1, 1, 1)
    made = await children(office, job_id)
    assert [(c.stage, c.shard) for c in made] == [*((0, n) for n in range(7)), (1, 0)]
    assert {(c.owner_id, c.priority, c.state) for c in made} == {
        ("anna", 3, "succeeded")
    }
    assert await office.effects(job_id, *(c.id for c in made)) == [1] * 9
    outcomes = [a.outcome for a in await office.attempts(job_id)]
    assert outcomes == ["waits", "waits", "succeeded"]


async def test_a_waiting_parent_holds_no_worker_and_shows_the_childrens_progress(
    shop: Shop,
) -> None:
    job_id = await shop.office.submit("test.fan", shards=3)
    shop.clock.advance(seconds=1)
    runner = shop.runner()
    claim = await runner.claim()
    assert claim is not None
    child = await runner.run(claim, wants_next=True)
    assert child is not None
    job = await shop.office.job(job_id)
    assert (job.state, job.worker, job.attempt, child.parent_id) == (
        "running",
        None,
        0,
        job_id,
    )
    assert (job.progress_done, job.progress_total, job.progress_unit) == (
        0,
        3,
        "shards",
    )
    await runner.run(child)
    assert (await shop.office.job(job_id)).progress_done == 1
    await shop.drain()
    assert (await shop.office.job(job_id)).state == "succeeded"


async def test_a_plain_function_may_fan_out(shop: Shop) -> None:
    job = await shop.run("test.fan_plain", shards=3)
    assert (job.state, job.result) == ("succeeded", 3)
    assert (await shop.run("test.fan_plain", shards=0)).result == 0


async def test_children_may_have_children(shop: Shop) -> None:
    job = await shop.run("test.fan_fans", seconds=0)
    assert (job.state, job.result) == ("succeeded", 2)


async def test_a_failed_shard_fails_its_parent_and_a_retry_runs_only_that(
    shop: Shop, quiet_site: Site
) -> None:
    bad = quiet_site.data_dir / "bad-1"
    bad.touch()
    job = await shop.run("test.fan", shards=3)
    first = await children(shop.office, job.id)
    assert [c.state for c in first] == ["succeeded", "failed", "succeeded"]
    assert job.error["type"].endswith("/job-shards-failed")
    assert (job.error["failed"], job.error["job_id"]) == (1, first[1].id)
    bad.unlink()
    await retry(shop.office, job.id)
    shop.clock.advance(seconds=1)
    await shop.drain()
    assert (await shop.office.job(job.id)).state == "succeeded"
    again = await children(shop.office, job.id)
    assert [c.token for c in again] == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("kind", "word"), [("count", "other shards"), ("session", "before job.session()")]
)
async def test_a_parent_that_changes_its_mind_fails(
    shop: Shop, kind: str, word: str
) -> None:
    job = await shop.run("test.fan_changing", kind=kind)
    assert job.state == "failed"
    assert word in job.error["detail"]
    assert await shop.office.effects(job.id) == [0]


async def test_cancelling_a_parent_cancels_everything_below_it(office: Office) -> None:
    job_id = await office.submit("test.fan_fans", seconds=60)

    async def has_grandchildren() -> bool:
        below = await children(office, job_id)
        running = [c for c in below if c.waits_since is not None]
        return len(running) == 2

    await eventually(has_grandchildren)
    below = await children(office, job_id)
    await cancel(office, job_id)
    assert (await office.job(job_id)).state == "cancelled"
    for child in below:
        await until_all(office, child.id, "cancelled")
    await until_all(office, job_id, "cancelled")


async def test_a_child_that_is_cancelled_alone_lets_its_parent_end(
    office: Office,
) -> None:
    job_id = await office.submit("test.fan_plain", shards=1, run_at=None)
    await office.until_state(job_id, "succeeded")
    job_id = await office.submit("test.fan", shards=1, seconds=60.0)

    async def has_child() -> bool:
        return bool(await children(office, job_id))

    await eventually(has_child)
    (child,) = await children(office, job_id)
    await running(office, child.id)
    await cancel(office, child.id)
    job = await office.until_state(job_id, "failed")
    assert job.error["type"].endswith("/job-shards-failed")


async def test_a_parent_whose_count_is_wrong_is_found_by_the_sweep(
    shop: Shop, quiet_site: Site, quiet_office: Office
) -> None:
    job_id = await quiet_office.submit("test.fan", shards=1)
    shop.clock.advance(seconds=1)
    runner = shop.runner()
    claim = await runner.claim()
    assert claim is not None
    await runner.run(claim)
    async with quiet_office.database.writing() as session:
        parent = await JobStore(session, CLOCK).find(job_id)
        assert parent is not None
        parent.waits_for = 5
    await shop.drain()
    async with quiet_office.database.writing() as session:
        families = FamilyStore(session, CLOCK)
        assert list(await families.stranded()) == [job_id]
        assert await families.wake(job_id)
        assert not await families.wake(job_id)
    await shop.drain()
    assert (await quiet_office.job(job_id)).state == "succeeded"


async def test_last_children_that_end_at_the_same_time_bring_the_parent_back(
    office: Office,
) -> None:
    ids = [await office.submit("test.fan_plain", shards=2) for _ in range(12)]
    for job_id in ids:
        await office.until_state(job_id, "succeeded", 60)
    assert await office.effects(*ids) == [1] * 12
