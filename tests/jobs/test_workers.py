"""Real worker processes: dispatch, death, fencing, cancellation, limits."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from foretell.core.clock import SystemClock
from foretell.jobs.store import JobStore, Work
from tests.jobs.conftest import Office, eventually, supervisor_of
from tests.jobs.work import count_effects


async def test_a_job_runs_once_and_its_effect_commits_with_it(
    office: Office, url: str
) -> None:
    async with supervisor_of(office, url):
        ids = [await office.submit(task) for task in ("test.effect", "test.plain")]
        jobs = [await office.until_state(job_id, "succeeded") for job_id in ids]
    assert await count_effects(office.database) == dict.fromkeys(ids, 1)
    assert all(job.attempt == 1 and job.finished_at is not None for job in jobs)
    assert jobs[1].progress_message == "half way"


def work_of(host: str) -> Work:
    return Work(f"{host}/1/1", ("test.effect",), (), 30.0)


async def running(office: Office, job_id: str) -> int:
    """The pid of the worker once it runs the job."""
    job = await office.until_state(job_id, "running")
    return int(str(job.worker).split("/")[1])


async def test_a_killed_worker_uses_no_attempt_and_its_job_finishes_once(
    office: Office, url: str
) -> None:
    async with supervisor_of(office, url):
        job_id = await office.submit("test.effect", seconds=0.3)
        os.kill(await running(office, job_id), signal.SIGKILL)
        job = await office.until_state(job_id, "succeeded")
    assert (job.attempt, job.token) == (1, 2)
    assert await count_effects(office.database) == {job_id: 1}
    outcomes = [a.outcome for a in await office.attempts(job_id)]
    assert outcomes == ["worker_died", "succeeded"]


async def test_a_worker_stopped_beyond_its_lease_completes_nothing(
    office: Office, url: str
) -> None:
    async with supervisor_of(office, url, processes=2, lease=1.0):
        job_id = await office.submit("test.effect", seconds=0.5)
        stopped = await running(office, job_id)
        os.kill(stopped, signal.SIGSTOP)
        job = await office.until_state(job_id, "succeeded")
        os.kill(stopped, signal.SIGCONT)
        log = office.data_dir / "job-logs" / job_id[-2:] / f"{job_id}.log"

        async def refused() -> bool:
            return log.exists() and "another worker has this job" in log.read_text()

        await eventually(refused)
    assert job.result["pid"] != stopped
    assert await count_effects(office.database) == {job_id: 1}


async def test_a_process_that_ends_at_its_commit_has_done_the_job(
    office: Office, url: str, tmp_path: Path
) -> None:
    async with supervisor_of(office, url):
        marker = tmp_path / "died"
        job_id = await office.submit("test.die_at_commit", marker=str(marker))
        await office.until_state(job_id, "succeeded")
        # The next worker finds nothing to repeat.
        other = await office.submit("test.effect")
        await office.until_state(other, "succeeded")
    assert marker.exists()
    assert await count_effects(office.database) == {job_id: 1, other: 1}


async def test_five_dead_workers_in_a_row_fail_a_job(
    sqlite_office: Office, sqlite_url: str
) -> None:
    async with supervisor_of(sqlite_office, sqlite_url, processes=2):
        job_id = await sqlite_office.submit("test.die")
        job = await sqlite_office.until_state(job_id, "failed", 40)
    assert job.error["type"].endswith("/job-workers-lost")
    assert len(await sqlite_office.attempts(job_id)) == 5


@pytest.mark.parametrize(
    "task", ["test.effect", "test.plain", "test.spin", "test.spin_async"]
)
async def test_a_running_job_is_cancelled_whatever_it_does(
    sqlite_office: Office, sqlite_url: str, task: str
) -> None:
    seconds = {} if "spin" in task else {"seconds": 60.0}
    async with supervisor_of(sqlite_office, sqlite_url) as supervisor:
        job_id = await sqlite_office.submit(task, **seconds)
        pid = await running(sqlite_office, job_id)
        await sqlite_office.cancel(job_id)
        await sqlite_office.until_state(job_id, "cancelled", 2)
        assert supervisor.pids == [pid]  # its worker lives on
    assert await count_effects(sqlite_office.database) == {}


@pytest.mark.parametrize(
    ("task", "args"), [("test.stubborn", {}), ("test.hold_lock", {"seconds": 60})]
)
async def test_a_job_that_will_not_stop_loses_its_process(
    sqlite_office: Office, sqlite_url: str, task: str, args: dict[str, int]
) -> None:
    async with supervisor_of(sqlite_office, sqlite_url):
        job_id = await sqlite_office.submit(task, **args)
        await running(sqlite_office, job_id)
        await sqlite_office.cancel(job_id)
        await sqlite_office.until_state(job_id, "cancelled", 5)


@pytest.mark.parametrize("task", ["test.effect", "test.spin", "test.hold_lock"])
async def test_a_job_over_its_time_limit_fails(
    sqlite_office: Office, sqlite_url: str, task: str
) -> None:
    args = {} if task == "test.spin" else {"seconds": 60}
    async with supervisor_of(sqlite_office, sqlite_url):
        job_id = await sqlite_office.submit(task, timeout_seconds=0.3, **args)
        job = await sqlite_office.until_state(job_id, "failed", 8)
    assert job.error["type"].endswith("/job-timed-out")
    assert [a.outcome for a in await sqlite_office.attempts(job_id)] == ["timed_out"]


async def test_stopping_the_supervisor_gives_running_jobs_back(
    sqlite_office: Office, sqlite_url: str
) -> None:
    async with supervisor_of(sqlite_office, sqlite_url) as supervisor:
        job_id = await sqlite_office.submit("test.effect", seconds=60.0)
        await running(sqlite_office, job_id)
        started = asyncio.get_running_loop().time()
        await supervisor.stop()
        assert asyncio.get_running_loop().time() - started < 5
    job = await sqlite_office.job(job_id)
    assert (job.state, job.attempt, job.deaths) == ("queued", 0, 0)


async def test_workers_die_with_their_supervisor_and_a_new_one_takes_over(
    sqlite_office: Office, sqlite_url: str
) -> None:
    office = sqlite_office
    server = await start_server(office, sqlite_url)
    job_id = await office.submit("test.effect", seconds=0.5)
    worker = await running(office, job_id)
    server.kill()
    await server.wait()

    async def gone() -> bool:
        return not Path(f"/proc/{worker}/stat").exists()

    await eventually(gone)
    async with supervisor_of(office, sqlite_url):
        await office.until_state(job_id, "succeeded")
    assert await count_effects(office.database) == {job_id: 1}


async def start_server(office: Office, url: str) -> asyncio.subprocess.Process:
    """A process that has nothing but a supervisor."""
    root = Path(__file__).parents[2]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.jobs.serve",
        cwd=root,
        env={
            **os.environ,
            "JOBS_TEST_URL": url,
            "JOBS_TEST_DIR": str(office.data_dir),
        },
    )


async def test_progress_and_log_are_seen_from_outside(office: Office, url: str) -> None:
    async with supervisor_of(office, url):
        job_id = await office.submit("test.chatty", updates=400)
        await office.until(job_id, lambda job: 0 < job.progress_done < 400)
        job = await office.until_state(job_id, "succeeded")
    assert (job.progress_done, job.progress_total) == (400, 400)
    assert (job.progress_unit, job.progress_message) == ("rows", "row 400")
    assert job.result == {"nan": None}
    assert job.seq < 20  # 400 updates became a few writes
    log = office.data_dir / "job-logs" / job_id[-2:] / f"{job_id}.log"
    assert "PRINT printed words" in log.read_text()


async def test_forty_jobs_survive_kills_none_lost_none_doubled(
    office: Office, url: str
) -> None:
    """Workers are killed at chosen moments: each when the queue has shrunk again."""
    kills = 6
    async with supervisor_of(office, url, processes=2) as supervisor:
        ids = [await office.submit("test.effect", seconds=0.05) for _ in range(40)]
        for done in range(kills):
            await more_effects(office, 4 * done)
            if supervisor.pids:
                os.kill(supervisor.pids[done % len(supervisor.pids)], signal.SIGKILL)
        for job_id in ids:
            await office.until_state(job_id, "succeeded", 40)
    assert await count_effects(office.database) == dict.fromkeys(ids, 1)


async def more_effects(office: Office, than: int) -> None:
    async def enough() -> bool:
        return len(await count_effects(office.database)) > than

    await eventually(enough, 40)


async def test_a_lost_claim_cannot_write_progress_or_end(office: Office) -> None:
    job_id = await office.submit("test.effect")
    async with office.database.writing() as session:
        store = JobStore(session, SystemClock())
        first = await store.claim(work_of("a"))
        assert first is not None
        assert await store.free_worker("a/1/1") == [job_id]
        second = await store.claim(work_of("b"))
        assert second is not None
        assert second.token == first.token + 1
        assert not await store.beat(first, 30)
        assert not await store.write_progress(first, {"progress_done": 5})
        assert await store.is_cancel_asked(first) is None
        assert await store.beat(second, 30)
