"""What happens to jobs when workers, or the server with them, are stopped or die."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from foretell.jobs.supervisor import Supervisor
from tests.jobs.conftest import Office, Site, eventually, supervisor_of
from tests.jobs.test_workers import running

pytestmark = pytest.mark.slow


async def test_a_worker_stopped_beyond_its_lease_completes_nothing(
    own_office: Office, own_site: Site
) -> None:
    office = own_office
    async with supervisor_of(office, own_site, processes=2, lease=1.0):
        job_id = await office.submit("test.effect", seconds=0.5)
        stopped = await running(office, job_id)
        os.kill(stopped, signal.SIGSTOP)
        job = await office.until_state(job_id, "succeeded")
        os.kill(stopped, signal.SIGCONT)

        async def is_refused() -> bool:
            return "another worker has this job" in office.log(job_id)

        await eventually(is_refused)
    assert job.result["pid"] != stopped
    assert await office.effects(job_id) == [1]


async def test_five_dead_workers_in_a_row_fail_a_job(
    quiet_office: Office, quiet_site: Site
) -> None:
    async with supervisor_of(quiet_office, quiet_site, processes=2):
        job_id = await quiet_office.submit("test.die")
        job = await quiet_office.until_state(job_id, "failed", 40)
    assert job.error["type"].endswith("/job-workers-lost")
    outcomes = [a.outcome for a in await quiet_office.attempts(job_id)]
    assert outcomes == ["worker_died"] * 5


async def test_stopping_the_supervisor_gives_running_jobs_back(
    quiet_office: Office, quiet_site: Site
) -> None:
    loop = asyncio.get_running_loop()
    async with supervisor_of(quiet_office, quiet_site) as supervisor:
        job_id = await quiet_office.submit("test.effect", seconds=60.0)
        await running(quiet_office, job_id)
        started = loop.time()
        await supervisor.stop()
        assert loop.time() - started < 5
    job = await quiet_office.job(job_id)
    assert (job.state, job.attempt, job.deaths) == ("queued", 0, 0)
    assert supervisor.pids == []


async def test_workers_die_with_their_server_and_a_new_one_takes_over(
    own_office: Office, own_site: Site
) -> None:
    office = own_office
    server = own_site.start_server()
    try:
        job_id = await office.submit("test.effect", seconds=0.5)
        worker = await running(office, job_id)
    finally:
        server.kill()
        server.wait()

    async def is_gone() -> bool:
        return not Path(f"/proc/{worker}/stat").exists()

    await eventually(is_gone)
    async with supervisor_of(office, own_site):
        await office.until_state(job_id, "succeeded")
    assert await office.effects(job_id) == [1]


async def test_a_dead_nursery_takes_its_workers_along_and_is_replaced(
    quiet_office: Office, quiet_site: Site
) -> None:
    office = quiet_office
    async with supervisor_of(office, quiet_site, processes=2):
        job_id = await office.submit("test.effect", seconds=0.5)
        worker = await running(office, job_id)
        stat = Path(f"/proc/{worker}/stat").read_text()
        os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
        await office.until_state(job_id, "succeeded")
    assert await office.effects(job_id) == [1]


async def test_a_composition_that_cannot_be_imported_does_not_stop_the_server(
    quiet_office: Office, quiet_site: Site
) -> None:
    supervisor = Supervisor(
        "tests.jobs.nothing:here",
        database=quiet_office.database,
        data_dir=quiet_site.data_dir,
        environment=quiet_site.environment,
    )
    async with supervisor, asyncio.timeout(15):
        job_id = await quiet_office.submit("test.effect")
    assert (await quiet_office.job(job_id)).state == "queued"
