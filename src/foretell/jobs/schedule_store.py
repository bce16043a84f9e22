"""Every access to the tables of schedules within one session; it never commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.jobs.schedule_tables import Schedule, ScheduleTick
from foretell.jobs.tables import Job, JobState

_AT_ONCE = 100


class ScheduleStore:
    """Schedules and their ticks, seen through one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, schedule: Schedule) -> None:
        self._session.add(schedule)
        await self._session.flush()

    async def flush(self) -> None:
        await self._session.flush()

    async def find(self, name: str, *, lock: bool = False) -> Schedule | None:
        statement = select(Schedule).where(Schedule.name == name)
        if lock:
            statement = statement.with_for_update()
        found: Schedule | None = await self._session.scalar(statement)
        return found

    async def list_page(
        self, owner_id: str | None, after: str | None, limit: int
    ) -> list[Schedule]:
        """Schedules by name; one more than `limit` when there are more."""
        statement = select(Schedule).order_by(Schedule.name).limit(limit + 1)
        if owner_id is not None:
            statement = statement.where(Schedule.owner_id == owner_id)
        if after is not None:
            statement = statement.where(Schedule.name > after)
        return list(await self._session.scalars(statement))

    async def remove(self, schedule: Schedule) -> None:
        ticks = delete(ScheduleTick).where(ScheduleTick.schedule_id == schedule.id)
        await self._session.execute(ticks)
        await self._session.delete(schedule)
        await self._session.flush()

    async def due(self, now: datetime) -> Sequence[tuple[str, str]]:
        """Id and owner of schedules with a tick to handle."""
        statement = select(Schedule.id, Schedule.owner_id).where(
            Schedule.next_tick <= now
        )
        rows = await self._session.execute(
            statement.order_by(Schedule.next_tick).limit(_AT_ONCE)
        )
        return [(schedule_id, owner_id) for schedule_id, owner_id in rows]

    async def take_due(self, schedule_id: str, now: datetime) -> Schedule | None:
        """The schedule for this transaction alone, if its tick still waits."""
        statement = (
            select(Schedule)
            .where(Schedule.id == schedule_id, Schedule.next_tick <= now)
            .with_for_update(skip_locked=True)
        )
        found: Schedule | None = await self._session.scalar(statement)
        return found

    async def has_active_job(self, schedule_id: str) -> bool:
        statement = select(Job.id).where(
            Job.schedule_id == schedule_id,
            Job.state.in_([JobState.QUEUED, JobState.RUNNING]),
        )
        return await self._session.scalar(statement.limit(1)) is not None

    async def add_tick(self, **values: Any) -> None:
        """Note a handled tick; a second note of one tick fails."""
        self._session.add(ScheduleTick(**values))
        await self._session.flush()

    async def ticks(self, schedule_id: str, limit: int) -> list[ScheduleTick]:
        """The last ticks, the newest first."""
        statement = (
            select(ScheduleTick)
            .where(ScheduleTick.schedule_id == schedule_id)
            .order_by(ScheduleTick.tick.desc())
        )
        return list(await self._session.scalars(statement.limit(limit)))

    async def forget_ticks(self, before: datetime) -> None:
        await self._session.execute(
            delete(ScheduleTick).where(ScheduleTick.at < before)
        )
