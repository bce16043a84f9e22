"""Somebody who submits jobs all the time and may be killed at any moment.

Each submission is one transaction that holds an order and its job. In a process of
its own it does so until it is killed, and notes in a file what the database confirmed.
"""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

from sqlalchemy import Column, String, Table, func, insert, select

from foretell.errors import Unavailable
from foretell.jobs.tables import AttemptOutcome, Job, JobAttempt
from tests.jobs import work
from tests.jobs.conftest import Office, Site

orders = Table(
    "test_orders",
    work.metadata,
    Column("job_id", String(36), primary_key=True),
    mysql_charset="utf8mb4",
)
_PAUSE_SECONDS = (0.05, 0.35)
_JOBS_A_SECOND = 10.0
_TASKS = ("test.effect", "test.plain", "test.unlucky")


def confirmed(site: Site) -> Path:
    """The file that names jobs whose commit was confirmed."""
    return site.data_dir / "confirmed"


async def order(
    office: Office, chance: random.Random, *, seconds: float | None = None
) -> str:
    """Store an order and its job in one transaction."""
    task = chance.choice(_TASKS)
    if seconds is None:
        seconds = chance.expovariate(_JOBS_A_SECOND)
    async with office.database.writing() as session:
        jobs = office.service(session)
        args = {"seconds": round(seconds, 3)}
        job = await jobs.submit(task, args, owner_id=None, max_attempts=9)
        await session.execute(insert(orders).values(job_id=job.id))
        return job.id


def submit_in_process(site: Site, seed: int, log: Path) -> None:
    """Be the submitter, in a process that was forked for it."""
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    chance = random.Random(f"{seed}-{os.getpid()}")  # noqa: S311 - not a secret
    asyncio.run(submit_for_ever(site, chance))


async def submit_for_ever(site: Site, chance: random.Random) -> None:
    office = Office(site)
    with confirmed(site).open("a", buffering=1) as notes:
        while True:
            try:
                job_id = await order(office, chance)
            except Unavailable:
                continue
            finally:
                await asyncio.sleep(chance.uniform(*_PAUSE_SECONDS))
            notes.write(f"{job_id}\n")


async def counts(office: Office) -> dict[str, Any]:
    """Orders, effects by job, jobs with and without orders: the ids of each; and the
    number of tries after a worker's death."""
    jobs = Job.__table__
    doubled = select(work.effects.c.job_id).group_by(work.effects.c.job_id)
    doubled = doubled.having(func.count() > 1)
    has_order = select(orders.c.job_id).where(orders.c.job_id == jobs.c.id).exists()
    is_order = jobs.c.task.in_(_TASKS)
    done = select(work.effects.c.job_id).where(work.effects.c.job_id == jobs.c.id)
    statements = {
        "orders": select(orders.c.job_id),
        "jobs": select(jobs.c.id).where(is_order),
        "without order": select(jobs.c.id).where(is_order, ~has_order),
        "without job": select(orders.c.job_id).where(
            orders.c.job_id.not_in(select(jobs.c.id))
        ),
        "unfinished": select(jobs.c.id).where(is_order, jobs.c.state != "succeeded"),
        "without effect": select(jobs.c.id).where(
            is_order, jobs.c.state == "succeeded", ~done.exists()
        ),
        "twice": doubled,
    }
    died = select(func.count()).where(JobAttempt.outcome == AttemptOutcome.WORKER_DIED)
    async with office.database.reading() as session:
        found: dict[str, Any] = {
            name: set(await session.scalars(statement))
            for name, statement in statements.items()
        }
        return {**found, "reruns": await session.scalar(died)}
