"""What must hold of jobs with every executor; each check may run beside the others.

They fail by an AssertionError that says what the job did instead.
"""

import asyncio
import os
import signal
from datetime import datetime, timedelta
from typing import Any

from foretell.testing.executor_suite.desk import Desk


async def check_jobs(desk: Desk) -> None:
    """Run every check; the order of priorities needs the workers for itself.

    Raises:
        ExceptionGroup: With the error of the checks that failed.
    """
    await check_priority(desk)
    await check_paused_queue(desk)
    async with asyncio.TaskGroup() as group:
        for check in BESIDE_OTHERS:
            group.create_task(check(desk), name=check.__name__)


async def check_runs_once(desk: Desk) -> None:
    """A job runs once, its effect commits with it, progress and log can be read."""
    job_id = await desk.submit(args={"seconds": 0.6})
    await desk.until(job_id, lambda job: job.progress_done == 1)
    job = await desk.until_state(job_id, "succeeded")
    assert await desk.outcomes(job_id) == ["succeeded"]
    assert await desk.effects(job_id) == 1
    assert (job.progress_total, job.progress_unit) == (2, "halves")
    assert job.progress_message == "half way"
    assert "working" in desk.log(job_id)


async def check_many_run_once(desk: Desk) -> None:
    """Of many jobs at once each runs once."""
    ids = [await desk.submit() for _ in range(30)]
    for job_id in ids:
        await desk.until_state(job_id, "succeeded")
        assert await desk.outcomes(job_id) == ["succeeded"]
        assert await desk.effects(job_id) == 1


async def check_retry(desk: Desk) -> None:
    """A try that failed is repeated after a pause."""
    job_id = await desk.submit("suite.fail")
    job = await desk.until_state(job_id, "succeeded")
    assert job.result == 2
    first, second = await desk.tries(job_id)
    assert (first.outcome, second.outcome) == ("failed", "succeeded")
    assert second.started_at is not None
    pause = (second.started_at - first.finished_at).total_seconds()
    assert pause >= 0.9, f"tried again after {pause} s"


async def check_cancel(desk: Desk) -> None:
    """A running job is stopped, and nothing of it stays."""
    job_id = await desk.submit(args={"seconds": 60})
    await desk.running(job_id)
    await desk.cancel(job_id)
    await desk.until_state(job_id, "cancelled")
    assert await desk.effects(job_id) == 0


async def check_cancel_of_busy_code(desk: Desk) -> None:
    """Python that never looks up is interrupted, or its process killed."""
    job_id = await desk.submit("suite.spin")
    await desk.running(job_id)
    await desk.cancel(job_id)
    await desk.until_state(job_id, "cancelled")


async def check_cancel_of_native_code(desk: Desk) -> None:
    """C code that lets no thread run loses its process."""
    job_id = await desk.submit("suite.hold")
    await desk.running(job_id)
    await desk.cancel(job_id)
    await desk.until_state(job_id, "cancelled")


async def check_timeout(desk: Desk) -> None:
    """A job over its time limit fails and is not repeated."""
    job_id = await desk.submit("suite.spin", timeout_seconds=0.3)
    job = await desk.until_state(job_id, "failed")
    assert job.error["type"].endswith("/job-timed-out")
    assert await desk.outcomes(job_id) == ["timed_out"]


async def check_worker_death(desk: Desk) -> None:
    """The job of a killed worker runs again and uses no attempt."""
    job_id = await desk.submit(args={"seconds": 0.8})
    os.kill(await desk.running(job_id), signal.SIGKILL)
    job = await desk.until_state(job_id, "succeeded")
    assert job.attempt == 1
    assert await desk.outcomes(job_id) == ["worker_died", "succeeded"]
    assert await desk.effects(job_id) == 1


async def check_stale_completion(desk: Desk) -> None:
    """A worker that slept beyond its lease finishes nothing: another one has."""
    job_id = await desk.submit(args={"seconds": 0.8})
    sleeper = await desk.running(job_id)
    os.kill(sleeper, signal.SIGSTOP)
    try:
        job = await desk.until_state(job_id, "succeeded")
    finally:
        os.kill(sleeper, signal.SIGCONT)
    # It works again, so what it had to say of the old job is said.
    for _ in range(6):
        await desk.until_state(await desk.submit(), "succeeded")
    assert (await desk.job(job_id)).seq == job.seq
    assert job.result != sleeper
    assert await desk.outcomes(job_id) == ["worker_died", "succeeded"]
    assert await desk.effects(job_id) == 1


async def check_unique_key(desk: Desk) -> None:
    """A key that an active job holds gives that job."""
    first, second = [
        await desk.submit(args={"seconds": 0.5}, unique_key="one") for _ in range(2)
    ]
    assert first == second
    await desk.until_state(first, "succeeded")
    third = await desk.submit(unique_key="one")
    assert third != first
    await desk.until_state(third, "succeeded")
    assert await desk.effects(first) == 1


async def check_lost_id(desk: Desk) -> None:
    """A job of which no worker was told is found by the sweep."""
    job_id = await desk.submit(is_silent=True)
    await desk.until_state(job_id, "succeeded")
    assert await desk.effects(job_id) == 1


async def check_priority(desk: Desk) -> None:
    """What is urgent begins first, in whichever order it came."""
    queue = f"{desk.queue}-paused"
    await desk.pause(queue, True)
    options: dict[str, Any] = {"queue": queue, "args": {"seconds": 1.5}}
    low = [await desk.submit(priority=0, **options) for _ in range(3)]
    high = [await desk.submit(priority=9, **options) for _ in range(3)]
    await desk.pause(queue, False)
    for job_id in [*low, *high]:
        await desk.until_state(job_id, "succeeded")
    urgent = [await began(desk, job_id) for job_id in high]
    others = [await began(desk, job_id) for job_id in low]
    # A worker takes the moment before it waits for its turn to claim; by the order of
    # submission the urgent ones would begin 1.5 s after the others.
    assert max(urgent) - min(others) < timedelta(seconds=0.75), (urgent, others)


async def began(desk: Desk, job_id: str) -> datetime:
    started = (await desk.job(job_id)).started_at
    assert started is not None
    return started


async def check_paused_queue(desk: Desk) -> None:
    """A paused queue's jobs wait while others run."""
    queue = f"{desk.queue}-paused"
    await desk.pause(queue, True)
    waiting = await desk.submit(queue=queue)
    for _ in range(4):
        await desk.until_state(await desk.submit(), "succeeded")
    assert (await desk.job(waiting)).state == "queued"
    await desk.pause(queue, False)
    await desk.until_state(waiting, "succeeded")
    assert await desk.outcomes(waiting) == ["succeeded"]


BESIDE_OTHERS = (
    check_runs_once,
    check_many_run_once,
    check_retry,
    check_cancel,
    check_cancel_of_busy_code,
    check_cancel_of_native_code,
    check_timeout,
    check_worker_death,
    check_stale_completion,
    check_unique_key,
    check_lost_id,
)
