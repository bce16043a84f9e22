"""A slice of `make chaos`: random faults, nothing lost, nothing done twice."""

import os

import pytest

from tests.chaos.running import run

FAULTS = int(os.environ.get("TEST_FAULTS", "20"))


@pytest.mark.slow
async def test_no_fault_loses_or_doubles_a_job() -> None:
    report = await run("sqlite", faults=FAULTS, seed=41, cancels=2)
    assert (report.lost, report.twice, report.orphans) == (0, 0, 0)
    assert report.faults.total() == FAULTS
    assert report.jobs > FAULTS
