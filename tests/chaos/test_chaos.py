"""A fixed slice of `make chaos`: random faults, nothing lost, nothing done twice.

Each store and each executor at least once, 210 faults together; `TEST_FAULTS=200` gives
each pair so many.
"""

import os

import pytest

from tests.chaos.places import may_mount
from tests.chaos.running import Plan, run

# Embedded more, because it is what most people run.
SLICE = {
    ("sqlite", "embedded"): 40,
    ("postgresql", "embedded"): 40,
    ("mysql", "embedded"): 30,
    ("sqlite", "celery"): 25,
    ("sqlite", "celery-rabbitmq"): 20,
    ("mysql", "rq"): 25,
    ("postgresql", "dramatiq"): 30,
}


@pytest.mark.slow
@pytest.mark.parametrize(("store", "executor"), SLICE)
async def test_no_fault_loses_or_doubles_a_job(store: str, executor: str) -> None:
    faults = int(os.environ.get("TEST_FAULTS", SLICE[store, executor]))
    report = await run(
        Plan(
            store,
            executor,
            faults=faults,
            seed=41,
            workers=2,
            servers=0,  # enough among the faults
            zombies=1,
            cancels=2,
            has_small_disk=may_mount(),
        )
    )
    assert (report.lost, report.twice, report.orphans) == (0, 0, 0)
    assert report.faults.total() == faults
    assert report.jobs > faults
    assert report.refused > 0


def test_the_slice_holds_each_store_and_two_hundred_faults() -> None:
    assert {store for store, _ in SLICE} == {"sqlite", "postgresql", "mysql"}
    assert sum(SLICE.values()) >= 200
