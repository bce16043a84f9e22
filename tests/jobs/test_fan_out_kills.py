"""A large fan-out whose workers are killed again and again: what finished stays so.

`TEST_SHARDS=1000 TEST_KILLS=50` runs it whole; CI runs a slice.
"""

import os
import random
from collections import Counter

import pytest

from foretell.core.clock import SystemClock
from foretell.jobs.store import JobStore
from foretell.jobs.tables import JobState
from tests.jobs.conftest import Office, Site, eventually, supervisor_of
from tests.jobs.test_fan_out import children
from tests.jobs.test_workers import kill

SHARDS = int(os.environ.get("TEST_SHARDS", "200"))
KILLS = int(os.environ.get("TEST_KILLS", "10"))
WORKERS = 2


@pytest.mark.slow
async def test_killed_workers_redo_only_the_shards_in_flight(
    quiet_office: Office, quiet_site: Site
) -> None:
    office = quiet_office
    chance = random.Random(4)  # noqa: S311 - when to kill, not a secret
    kills = 0
    async with supervisor_of(office, quiet_site, processes=WORKERS):
        job_id = await office.submit("test.fan", shards=SHARDS, seconds=0.02)

        async def is_over() -> bool:
            nonlocal kills
            job = await office.job(job_id)
            is_next = job.progress_done >= kills * SHARDS / KILLS
            if kills < KILLS and is_next and chance.random() < 0.5:
                async with office.database.reading() as session:
                    store = JobStore(session, SystemClock())
                    holders = await store.workers()
                if holders:
                    kills += kill(chance.choice(holders))
            return JobState(job.state).is_final

        await eventually(is_over, 60 + SHARDS / 2)
    assert (await office.job(job_id)).state == "succeeded"
    made = await children(office, job_id)
    assert await office.effects(*(c.id for c in made)) == [1] * (SHARDS + 1)
    died = 0
    for child in made:
        outcomes = [a.outcome for a in await office.attempts(child.id)]
        assert outcomes[-1] == "succeeded", outcomes
        assert Counter(outcomes)["succeeded"] == 1
        died += len(outcomes) - 1
    assert kills == KILLS
    assert died <= KILLS  # one worker holds one shard
