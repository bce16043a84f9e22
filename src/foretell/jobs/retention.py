"""Forgets jobs that ended long ago: their rows, their tries and their logs.

In small portions, so that on SQLite nobody waits long for the one writer
(docs/decisions/0019-ended-jobs-are-forgotten.md). The log
goes first: a process that dies in between leaves a row without a log, which the next
one finishes, and never a log that nobody knows of.
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.jobs.families import FamilyStore
from foretell.jobs.logs import log_path

_AT_ONCE = 200
_PAUSE_SECONDS = 0.05
# More is left to the next time: other housekeeping waits behind this.
_AT_MOST = 100_000
_SAID = 10_000
log = get_logger(__name__)


class Retention:
    """Keeps jobs that ended for so many days; 0: for ever.

    Args:
        at_most: How many it forgets in one go.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        data_dir: Path,
        days: int,
        *,
        at_most: int = _AT_MOST,
    ) -> None:
        self._at_most = at_most
        self._database = database
        self._clock = clock
        self._data_dir = data_dir
        self._days = days

    async def forget(self) -> int:
        """Remove what ended before, as far as one time reaches; answers how many
        jobs."""
        if not self._days:
            return 0
        before = self._clock.now() - timedelta(days=self._days)
        forgotten = 0
        while forgotten < self._at_most and (ids := await self._some(before)):
            await asyncio.to_thread(self._remove_logs, ids)
            async with self._database.writing() as session:
                await FamilyStore(session, self._clock).forget(ids, before)
            said, forgotten = forgotten // _SAID, forgotten + len(ids)
            if forgotten // _SAID > said:
                log.info("jobs.being_forgotten", count=forgotten)
            await asyncio.sleep(_PAUSE_SECONDS)
        if forgotten:
            log.info("jobs.forgotten", count=forgotten)
        return forgotten

    async def _some(self, before: datetime) -> list[str]:
        async with self._database.reading() as session:
            return await FamilyStore(session, self._clock).ended_before(
                before, _AT_ONCE
            )

    def _remove_logs(self, ids: list[str]) -> None:
        for job_id in ids:
            log_path(self._data_dir, job_id).unlink(missing_ok=True)
