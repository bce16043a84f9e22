"""Jobs in real worker processes: dispatch, cancellation, limits, retries."""

import os
import signal
from contextlib import suppress

import pytest

from foretell.core.clock import SystemClock
from foretell.jobs.store import JobStore
from tests.jobs.conftest import Office, eventually


async def running(office: Office, job_id: str, seconds: float = 90) -> int:
    """The pid of the worker once it runs the job; one may have to start first."""
    job = await office.until_state(job_id, "running", seconds)
    return int(str(job.worker).split("/")[1])


async def test_a_job_runs_once_and_its_effect_commits_with_it(office: Office) -> None:
    ids = [await office.submit(task) for task in ("test.effect", "test.plain")]
    jobs = [await office.until_state(job_id, "succeeded") for job_id in ids]
    assert await office.effects(*ids) == [1, 1]
    assert all(job.attempt == 1 and job.finished_at is not None for job in jobs)
    assert jobs[1].progress_message == "half way"


async def test_a_killed_worker_uses_no_attempt_and_its_job_finishes_once(
    office: Office,
) -> None:
    job_id = await office.submit("test.effect", seconds=0.3)
    os.kill(await running(office, job_id), signal.SIGKILL)
    job = await office.until_state(job_id, "succeeded")
    assert (job.attempt, job.token) == (1, 2)
    assert await office.effects(job_id) == [1]
    outcomes = [a.outcome for a in await office.attempts(job_id)]
    assert outcomes == ["worker_died", "succeeded"]


async def test_a_process_that_ends_at_its_commit_has_done_the_job(
    office: Office,
) -> None:
    job_id = await office.submit("test.die_at_commit")
    job = await office.until_state(job_id, "succeeded")
    # The next worker finds nothing to repeat.
    other = await office.submit("test.effect")
    await office.until_state(other, "succeeded")
    assert (await office.job(job_id)).seq == job.seq
    assert await office.effects(job_id, other) == [1, 1]


@pytest.mark.parametrize(
    "task", ["test.effect", "test.plain", "test.spin", "test.spin_async"]
)
async def test_a_running_job_is_cancelled_whatever_it_does(
    sqlite_office: Office, task: str
) -> None:
    seconds = {} if "spin" in task else {"seconds": 60.0}
    job_id = await sqlite_office.submit(task, **seconds)
    pid = await running(sqlite_office, job_id)
    await sqlite_office.cancel(job_id)
    await sqlite_office.until_state(job_id, "cancelled", 2)
    os.kill(pid, 0)  # its worker lives on
    assert await sqlite_office.effects(job_id) == [0]


async def test_a_job_is_cancelled_on_every_database(office: Office) -> None:
    job_id = await office.submit("test.effect", seconds=60)
    await running(office, job_id)
    await office.cancel(job_id)
    await office.until_state(job_id, "cancelled", 3)


@pytest.mark.parametrize(
    ("task", "args"), [("test.stubborn", {}), ("test.hold_lock", {"seconds": 60})]
)
async def test_a_job_that_will_not_stop_loses_its_process(
    sqlite_office: Office, task: str, args: dict[str, int]
) -> None:
    job_id = await sqlite_office.submit(task, **args)
    await running(sqlite_office, job_id)
    await sqlite_office.cancel(job_id)
    await sqlite_office.until_state(job_id, "cancelled", 5)


@pytest.mark.parametrize("task", ["test.effect", "test.spin", "test.hold_lock"])
async def test_a_job_over_its_time_limit_fails(
    sqlite_office: Office, task: str
) -> None:
    args = {} if task == "test.spin" else {"seconds": 60}
    job_id = await sqlite_office.submit(task, timeout_seconds=0.3, **args)
    job = await sqlite_office.until_state(job_id, "failed", 8)
    assert job.error["type"].endswith("/job-timed-out")
    assert [a.outcome for a in await sqlite_office.attempts(job_id)] == ["timed_out"]


async def test_progress_and_log_are_seen_from_outside(office: Office) -> None:
    job_id = await office.submit("test.chatty", updates=400)
    await office.until(job_id, lambda job: 0 < job.progress_done < 400)
    job = await office.until_state(job_id, "succeeded")
    assert (job.progress_done, job.progress_total) == (400, 400)
    assert (job.progress_unit, job.progress_message) == ("rows", "row 400")
    assert job.result == {"nan": None}
    assert job.seq < 20  # 400 updates became a few writes
    assert "PRINT printed words" in office.log(job_id)


async def test_a_failing_job_is_tried_again_later(office: Office) -> None:
    job_id = await office.submit("test.flaky", fails=1)
    job = await office.until_state(job_id, "succeeded")
    assert (job.attempt, job.result, job.error) == (2, 2, None)
    outcomes = [a.outcome for a in await office.attempts(job_id)]
    assert outcomes == ["failed", "succeeded"]


async def test_forty_jobs_survive_kills_none_lost_none_doubled(office: Office) -> None:
    """A worker that runs one of them is killed whenever a few more are done."""
    ids = [await office.submit("test.effect", seconds=0.1) for _ in range(40)]
    kills = 0

    async def is_over() -> bool:
        nonlocal kills
        done = sum(await office.effects(*ids))
        if kills < 6 and done >= 4 * kills:
            kills += await killed(office, ids)
        return done == len(ids)

    await eventually(is_over, 90)
    for job_id in ids:
        await office.until_state(job_id, "succeeded")
    assert await office.effects(*ids) == [1] * 40
    assert kills >= 3


async def killed(office: Office, ids: list[str]) -> bool:
    """Whether a running worker was found and killed."""
    async with office.database.reading() as session:
        jobs = await JobStore(session, SystemClock()).find_many(ids)
    return any(job.state == "running" and kill(str(job.worker)) for job in jobs)


def kill(worker: str) -> bool:
    """Whether the worker was there to be killed."""
    with suppress(ProcessLookupError):
        os.kill(int(worker.split("/")[1]), signal.SIGKILL)
        return True
    return False
