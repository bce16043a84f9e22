"""One look for everybody who listens in a process."""

from foretell.jobs.watcher import Watcher
from tests.jobs.conftest import Office


async def test_each_listener_hears_each_change_once_and_jobs_are_read_for_all(
    own_office: Office,
) -> None:
    office = own_office
    async with Watcher(office.database, office.data_dir) as watcher:
        with watcher.subscribed(None) as first, watcher.subscribed(None) as second:
            job_id = await office.submit("test.effect")
            (heard,), (also,) = await first.take(20), await second.take(20)
            assert (heard.id, heard.state) == (job_id, "queued")
            assert also is heard
            # Who comes later is told the state of now, which is news to nobody else.
            with watcher.subscribed(job_id) as third:
                (now,) = await third.take(20)
                assert (now.id, now.seq) == (job_id, heard.seq)
                assert await first.take(0.3) == []
                await office.cancel(job_id)
                for listener in (first, second, third):
                    (ended,) = await listener.take(20)
                    assert ended.state == "cancelled"
                    assert await listener.take(0.2) == []
            with watcher.subscribed(job_id, after=ended.seq) as knows:
                assert await knows.take(0.3) == []


async def test_a_job_that_is_deleted_is_news_to_nobody(quiet_office: Office) -> None:
    async with Watcher(quiet_office.database, quiet_office.data_dir) as watcher:
        with watcher.subscribed("nobody") as one, watcher.subscribed(None) as all_of:
            assert await one.take(0.3) == []
            assert await all_of.take(0.1) == []
