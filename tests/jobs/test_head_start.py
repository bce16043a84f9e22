"""The nursery that starts before its supervisor: taken over, or left and ended."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretell.jobs import head_start
from foretell.jobs.supervisor import Supervisor
from tests.acceptance.processes import parent
from tests.jobs import work
from tests.jobs.conftest import Office, Site
from tests.jobs.test_workers import running

pytestmark = pytest.mark.slow
COMPOSITION = "tests.jobs.work:compose"


@pytest.fixture
def begun(
    quiet_site: Site, monkeypatch: pytest.MonkeyPatch
) -> Iterator[head_start.HeadStart]:
    for name, value in quiet_site.environment.items():
        monkeypatch.setenv(name, value)
    head_start.begin(COMPOSITION)
    started = head_start._begun[-1]
    yield started
    head_start._begun.clear()
    head_start.discard(started)


def supervisor(
    office: Office, begun: head_start.HeadStart, **variables: str
) -> Supervisor:
    # Not this process's: pytest keeps the name of the test there, phase by phase.
    return Supervisor(
        COMPOSITION,
        database=office.database,
        data_dir=office.data_dir,
        timing=work.timing_of(30.0),
        environment={**begun.environment, **variables},
    )


async def test_workers_come_from_the_nursery_that_was_begun(
    begun: head_start.HeadStart, quiet_office: Office
) -> None:
    async with supervisor(quiet_office, begun, FORETELL_PUBLIC_URL="https://x.org"):
        job_id = await quiet_office.submit("test.effect", seconds=60)
        worker = await running(quiet_office, job_id)
        assert parent(worker) == begun.process.pid
        told = Path(f"/proc/{worker}/environ").read_bytes()
        assert b"FORETELL_PUBLIC_URL" not in told  # it came by the channel
        await quiet_office.cancel(job_id)
        await quiet_office.until_state(job_id, "cancelled")
    assert begun.process.poll() is not None


async def test_another_nursery_follows_when_the_begun_one_dies(
    begun: head_start.HeadStart, quiet_office: Office
) -> None:
    async with supervisor(quiet_office, begun):
        job_id = await quiet_office.submit("test.effect", seconds=0.5)
        await running(quiet_office, job_id)
        os.kill(begun.process.pid, signal.SIGKILL)
        await quiet_office.until_state(job_id, "succeeded")
    assert await quiet_office.effects(job_id) == [1]


async def test_one_begun_with_other_variables_is_ended_and_not_taken(
    begun: head_start.HeadStart, quiet_office: Office
) -> None:
    async with supervisor(quiet_office, begun, OMP_NUM_THREADS="1"):
        job_id = await quiet_office.submit("test.effect")
        await quiet_office.until_state(job_id, "succeeded", 90)
    assert begun.process.poll() == -signal.SIGKILL


async def test_one_that_died_while_it_waited_is_not_missed(
    begun: head_start.HeadStart, quiet_office: Office
) -> None:
    begun.process.kill()
    begun.process.wait()
    async with supervisor(quiet_office, begun):
        job_id = await quiet_office.submit("test.effect")
        await quiet_office.until_state(job_id, "succeeded", 90)
