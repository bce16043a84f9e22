"""Runs what is due in this process, without workers: for tests and one-off tools."""

from foretell.core.db import Database
from foretell.jobs.composition import Composition
from foretell.jobs.identity import worker_identity
from foretell.jobs.runner import Runner


async def run_all(composition: Composition, database: Database) -> int:
    """Run every job that is due by the composition's clock; answers how many tries.

    Nobody watches: there is no time limit and no cancellation of a running job.
    """
    tries = 0
    async with composition.services(database) as services:
        runner = Runner(composition, database, services, worker_identity())
        claim = await runner.claim()
        while claim is not None:
            tries += 1
            claim = await runner.run(claim, wants_next=True) or await runner.claim()
    return tries
