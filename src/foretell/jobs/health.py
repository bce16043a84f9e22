"""How the queue is doing: what `/readyz`, metrics and `doctor` say about jobs."""

from typing import Any

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.jobs.store import JobStore
from foretell.jobs.tables import JobState

STALLED_SECONDS = 60.0


async def queue_health(database: Database, clock: Clock) -> dict[str, Any]:
    """Counts and the age of the oldest job that could run and does not.

    A queue whose head waits for more than a minute while nothing runs has no worker:
    `is_stalled` then, which warns and refuses nothing, since accepted jobs are safe.
    """
    async with database.reading() as session:
        store = JobStore(session, clock)
        counts = await store.count_active()
        oldest = await store.oldest_due()
    waited = 0.0 if oldest is None else (clock.now() - oldest).total_seconds()
    running = counts.get(JobState.RUNNING, 0)
    return {
        "queued": counts.get(JobState.QUEUED, 0),
        "running": running,
        "oldest_due_seconds": round(max(waited, 0.0), 1),
        "is_stalled": waited > STALLED_SECONDS and running == 0,
    }
