"""A worker's way to the jobs table: is there work, take it, settle it and take more.

The three ways do the same, and one test suite runs over all of them. What a task
publishes in `job.session()` does not pass here: its end is written in that session.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.jobs.claims import Claim, Work
from foretell.jobs.endings import Ending
from foretell.jobs.errors import JobLost
from foretell.jobs.ports import Waiting
from foretell.jobs.store import JobStore

Columns = Mapping[str, Any]


class Ledger(Protocol):
    """Each call is a transaction of its own.

    Attributes:
        woken: Parents that `settle` brought back to the queue, until somebody takes
            them from here to tell workers of them.

    Raises:
        Unavailable: The database does not answer; what was asked may have happened.
    """

    woken: list[Waiting]

    async def is_due(self) -> bool:
        """Whether a claim would find something; takes no lock."""
        ...

    async def next_due(self, seconds: float) -> datetime | None:
        """When the next job is due that will be within so many seconds."""
        ...

    async def claim(self) -> Claim | None:
        """Take the next due job."""
        ...

    async def settle(
        self, claim: Claim, ending: Ending, progress: Columns | None, wants_next: bool
    ) -> Claim | None:
        """Write how a try ended and, in the same transaction, take the next job.

        Raises:
            JobLost: Somebody else holds the job; nothing was written or taken.
        """
        ...

    async def close(self) -> None: ...


class SessionLedger:
    """By sessions: on every database."""

    def __init__(self, database: Database, work: Work, clock: Clock) -> None:
        self._database = database
        self._work = work
        self._clock = clock
        self.woken: list[Waiting] = []

    async def is_due(self) -> bool:
        async with self._database.reading() as session:
            return await JobStore(session, self._clock).is_due(self._work)

    async def next_due(self, seconds: float) -> datetime | None:
        async with self._database.reading() as session:
            return await JobStore(session, self._clock).next_due(self._work, seconds)

    async def claim(self) -> Claim | None:
        async with self._database.writing() as session:
            return await JobStore(session, self._clock).claim(self._work)

    async def settle(
        self, claim: Claim, ending: Ending, progress: Columns | None, wants_next: bool
    ) -> Claim | None:
        async with self._database.writing() as session:
            store = JobStore(session, self._clock)
            if not await store.end(claim, ending, progress):
                raise JobLost
            following = await store.claim(self._work) if wants_next else None
        self.woken += store.woken
        return following

    async def close(self) -> None:
        return None
