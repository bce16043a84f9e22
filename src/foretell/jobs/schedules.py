"""What can be done with schedules: put, look, pause, run now, delete.

A schedule is its owner's and the admins'. Its jobs run with the owner's rights, which
are checked when it is put and again at every tick.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foretell.core.clock import Clock
from foretell.core.ids import new_id
from foretell.core.pagination import Cursors, Page
from foretell.core.principal import Principal
from foretell.errors import FieldError, Invalid
from foretell.jobs.calendar import Calendar, fault_of_cron, fault_of_zone
from foretell.jobs.errors import ScheduleNameTaken, ScheduleNotFound
from foretell.jobs.schedule_store import ScheduleStore
from foretell.jobs.schedule_tables import CatchUp, Overlap, Schedule, ScheduleTick
from foretell.jobs.service import JobsService
from foretell.jobs.tables import Job

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

PAUSED = "paused"
_PURPOSE = "schedules"
_SHOWN_TICKS = 20


class ScheduleInvalid(Invalid):
    """The schedule names no moments, or not clearly."""

    slug = "schedule-invalid"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a caller says about a schedule."""

    task: str
    args: Mapping[str, Any]
    cron: str | None = None
    every_seconds: float | None = None
    timezone: str = "UTC"
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.ONE
    is_paused: bool = False

    def demand_sense(self) -> None:
        """Raise `ScheduleInvalid` unless it names moments."""
        faults = []
        if (self.cron is None) == (self.every_seconds is None):
            faults.append(("/cron", "exactly one of cron and every_s says when"))
        elif self.cron is not None and (fault := fault_of_cron(self.cron)):
            faults.append(("/cron", fault))
        if fault := fault_of_zone(self.timezone):
            faults.append(("/timezone", fault))
        if faults:
            raise ScheduleInvalid(
                "The schedule does not say when.",
                errors=[FieldError(where, what, "invalid") for where, what in faults],
            )


def calendar_of(schedule: Schedule) -> Calendar:
    return Calendar(
        schedule.cron, schedule.every_seconds, schedule.timezone, schedule.anchor
    )


class SchedulesService:
    """Schedules within one unit of work."""

    def __init__(
        self,
        session: "AsyncSession",
        *,
        jobs: JobsService,
        clock: Clock,
        cursors: Cursors,
    ) -> None:
        self._store = ScheduleStore(session)
        self._jobs = jobs
        self._clock = clock
        self._cursors = cursors

    async def put(
        self, principal: Principal, name: str, plan: Plan
    ) -> tuple[Schedule, bool]:
        """Make a schedule or replace what it says; answers whether it is new.

        Raises:
            ScheduleInvalid, TaskUnknown, TaskForbidden, TaskArgumentsInvalid.
            ScheduleNameTaken: Somebody else has one of that name.
        """
        plan.demand_sense()
        checked = await self._jobs.permit(principal, plan.task, plan.args)
        found = await self._store.find(name, lock=True)
        if found is not None and not _may_see(principal, found):
            raise ScheduleNameTaken(name)
        schedule = found or self._new(principal, name)
        self._fill(schedule, plan, checked.model_dump(mode="json"))
        if found is None:
            await self._store.add(schedule)
        await self._store.flush()
        return schedule, found is None

    def _new(self, principal: Principal, name: str) -> Schedule:
        now = self._clock.now()
        owner = principal.user_id
        return Schedule(id=new_id(), name=name, owner_id=owner, created_at=now)

    def _fill(self, schedule: Schedule, plan: Plan, args: Mapping[str, Any]) -> None:
        now = self._clock.now()
        schedule.task, schedule.args = plan.task, dict(args)
        if (schedule.cron, schedule.every_seconds) != (plan.cron, plan.every_seconds):
            schedule.anchor = now
        schedule.cron, schedule.every_seconds = plan.cron, plan.every_seconds
        schedule.timezone = plan.timezone
        schedule.overlap, schedule.catch_up = plan.overlap, plan.catch_up
        schedule.changed_at = now
        self._set_pause(schedule, PAUSED if plan.is_paused else None)

    def _set_pause(self, schedule: Schedule, pause: str | None) -> None:
        """A pause ends what was due: the ticks of the pause are never caught up."""
        schedule.pause = pause
        upcoming = calendar_of(schedule).next_after(self._clock.now())
        schedule.next_tick = None if pause else upcoming

    async def get(self, principal: Principal, name: str) -> Schedule:
        """Raises `ScheduleNotFound` for what the caller may not see, too."""
        found = await self._store.find(name)
        if found is None or not _may_see(principal, found):
            raise ScheduleNotFound(name)
        return found

    async def list_page(
        self, principal: Principal, *, cursor: str | None, limit: int
    ) -> Page[Schedule]:
        """Schedules that the caller may see, by name."""
        owner = None if principal.is_admin else principal.user_id
        after = None
        if cursor is not None:
            after = str(self._cursors.decode(_PURPOSE, cursor))
        found = await self._store.list_page(owner, after, limit)
        return self._cursors.page(_PURPOSE, found, limit, lambda one: one.name)

    async def set_paused(
        self, principal: Principal, name: str, *, is_paused: bool
    ) -> Schedule:
        """Stop ticking, or go on with the next tick from now."""
        schedule = await self.get(principal, name)
        if bool(schedule.pause) != is_paused:
            self._set_pause(schedule, PAUSED if is_paused else None)
            schedule.changed_at = self._clock.now()
            await self._store.flush()
        return schedule

    async def run(self, principal: Principal, name: str) -> Job:
        """A job of the schedule now, beside its ticks and whatever it does else."""
        schedule = await self.get(principal, name)
        checked = await self._jobs.permit(principal, schedule.task, schedule.args)
        return await self._jobs.submit(
            schedule.task,
            checked,
            owner_id=schedule.owner_id,
            schedule_id=schedule.id,
        )

    async def ticks(self, principal: Principal, name: str) -> list[ScheduleTick]:
        """The last ticks and what came of them, the newest first."""
        schedule = await self.get(principal, name)
        return await self._store.ticks(schedule.id, _SHOWN_TICKS)

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget a schedule; its jobs stay."""
        await self._store.remove(await self.get(principal, name))


def _may_see(principal: Principal, schedule: Schedule) -> bool:
    return principal.is_admin or schedule.owner_id == principal.user_id
