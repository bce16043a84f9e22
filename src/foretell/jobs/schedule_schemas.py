"""Request and response bodies of schedules and queues."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from foretell.http.schemas import Body, Reading
from foretell.jobs.calendar import SHORTEST_SECONDS
from foretell.jobs.schedule_tables import CatchUp, Overlap, Schedule, TickOutcome
from foretell.jobs.schedules import Plan, calendar_of
from foretell.jobs.schemas import TaskName, shown_args

_YEAR_SECONDS = 31_622_400


class ScheduleWrite(Body):
    """What runs, and when."""

    task: TaskName
    args: dict[str, Any] = Field(
        default_factory=dict, description="As the task's schema says."
    )
    cron: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="Five fields: minute, hour, day, month, day of week."
    )
    every_s: float | None = Field(
        None, strict=True, ge=SHORTEST_SECONDS, le=_YEAR_SECONDS, allow_inf_nan=False
    )
    timezone: Annotated[str, StringConstraints(max_length=64)] = Field(
        "UTC", description="A name of IANA, for cron."
    )
    overlap: Overlap = Field(
        Overlap.SKIP,
        description="While an earlier job is active: leave the tick out, or let its "
        "job wait.",
    )
    catch_up: CatchUp = Field(
        CatchUp.ONE, description="Which ticks run that came while no server did."
    )
    paused: bool = Field(False, strict=True)

    def plan(self) -> Plan:
        return Plan(
            task=self.task,
            args=self.args,
            cron=self.cron,
            every_seconds=self.every_s,
            timezone=self.timezone,
            overlap=self.overlap,
            catch_up=self.catch_up,
            is_paused=self.paused,
        )


class ScheduleRead(Reading):
    """One schedule."""

    name: str
    task: str
    args: dict[str, Any]
    cron: str | None
    every_s: float | None
    timezone: str
    overlap: Overlap
    catch_up: CatchUp
    paused: bool
    pause_reason: str | None
    next_runs: list[datetime] = Field(description="The next five, were it not paused.")
    owner_id: str
    created_at: datetime

    @classmethod
    def of(cls, schedule: Schedule, now: datetime) -> "ScheduleRead":
        return cls(
            name=schedule.name,
            task=schedule.task,
            args=shown_args(schedule.task, schedule.args),
            cron=schedule.cron,
            every_s=schedule.every_seconds,
            timezone=schedule.timezone,
            overlap=Overlap(schedule.overlap),
            catch_up=CatchUp(schedule.catch_up),
            paused=schedule.pause is not None,
            pause_reason=schedule.pause,
            next_runs=calendar_of(schedule).upcoming(now),
            owner_id=schedule.owner_id,
            created_at=schedule.created_at,
        )


class TickRead(Reading):
    """One tick and what came of it."""

    tick: datetime
    at: datetime
    outcome: TickOutcome
    job_id: str | None
    error: dict[str, Any] | None


class QueueWrite(Body):
    paused: bool = Field(strict=True)


class QueueRead(Reading):
    """One queue: jobs of a paused one wait."""

    name: str
    paused: bool
    queued: int
    running: int
