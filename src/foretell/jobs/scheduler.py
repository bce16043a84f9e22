"""Turns due ticks into jobs; any number of servers may do it at once.

There is no leader. Whoever finds a due schedule takes its row in a transaction that
holds the job, the note of the tick (whose key is unique) and the next tick: all of
it happens or nothing, once.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.core.principal import Principal
from foretell.errors import ForetellError
from foretell.jobs.failures import problem_of
from foretell.jobs.schedule_store import ScheduleStore
from foretell.jobs.schedule_tables import CatchUp, Overlap, Schedule, TickOutcome
from foretell.jobs.schedules import calendar_of
from foretell.jobs.service import JobsService
from foretell.jobs.store import JobStore

OWNER_GONE = "its owner may not act any more"
# A tick handled within this is on time for those who want none caught up.
_ON_TIME = timedelta(seconds=60)
_AT_ONCE = 100
_KEPT = timedelta(days=30)
log = get_logger(__name__)


class Scheduler:
    """One server's look at the schedules.

    Args:
        jobs_of: The jobs service of a unit of work.
        principal_of: The rights of an owner now; `None` if they may not act.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        jobs_of: Callable[[AsyncSession], JobsService],
        principal_of: Callable[[str], Awaitable[Principal | None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._jobs_of = jobs_of
        self._principal_of = principal_of

    async def sweep(self) -> None:
        """Handle every tick that is due, and jobs that came too late to begin."""
        async with self._database.reading() as session:
            due = await ScheduleStore(session).due(self._clock.now())
            has_expired = await JobStore(session, self._clock).has_expired()
        if has_expired:
            async with self._database.writing() as session:
                await self._jobs_of(session).expire()
        for schedule_id, owner_id in due:
            owner = await self._principal_of(owner_id)
            async with self._database.writing() as session:
                await self._handle(session, schedule_id, owner)

    async def forget(self) -> None:
        """Delete notes of ticks of long ago."""
        async with self._database.writing() as session:
            await ScheduleStore(session).forget_ticks(self._clock.now() - _KEPT)

    async def _handle(
        self, session: AsyncSession, schedule_id: str, owner: Principal | None
    ) -> None:
        now = self._clock.now()
        store = ScheduleStore(session)
        schedule = await store.take_due(schedule_id, now)
        if schedule is None or schedule.next_tick is None:
            return  # somebody else did it
        if owner is None:
            schedule.pause, schedule.next_tick = OWNER_GONE, None
            log.warning("schedule.paused", schedule=schedule.name, reason=OWNER_GONE)
            return
        ticks, handled = ticks_to_run(schedule, schedule.next_tick, now)
        for tick in ticks:
            outcome = await self._run(session, schedule, owner)
            await store.add_tick(schedule_id=schedule.id, tick=tick, at=now, **outcome)
        schedule.next_tick = calendar_of(schedule).next_after(handled)

    async def _run(
        self, session: AsyncSession, schedule: Schedule, owner: Principal
    ) -> dict[str, Any]:
        """Submit one tick's job; answers what to note."""
        is_queueing = schedule.overlap == Overlap.QUEUE
        active = await ScheduleStore(session).has_active_job(schedule.id)
        if active and not is_queueing:
            return {"outcome": TickOutcome.SKIPPED}
        key = f"schedule:{schedule.id}" if is_queueing else None
        try:
            job = await self._jobs_of(session).request(
                owner,
                schedule.task,
                schedule.args,
                schedule_id=schedule.id,
                concurrency_key=key,
            )
        except ForetellError as error:
            # What it names is gone, or no longer the owner's: seen in the ticks.
            log.warning("schedule.refused", schedule=schedule.name, reason=error.slug)
            return {"outcome": TickOutcome.REFUSED, "error": problem_of(error)}
        return {"outcome": TickOutcome.SUBMITTED, "job_id": job.id}


def ticks_to_run(
    schedule: Schedule, first: datetime, now: datetime
) -> tuple[list[datetime], datetime]:
    """Ticks that become jobs now, and up to where all are handled."""
    calendar = calendar_of(schedule)
    if schedule.catch_up == CatchUp.ALL:
        ticks = calendar.between(first, now, _AT_ONCE)
        return ticks, ticks[-1]
    last = calendar.last_until(first, now)
    is_wanted = schedule.catch_up == CatchUp.ONE or now - last <= _ON_TIME
    return [last] if is_wanted else [], last
