"""Builds the jobs service for a unit of work, in requests and jobs alike."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.jobs.choosing import bell_of, find_carrier
from foretell.jobs.registry import TaskRegistry
from foretell.jobs.retention import Retention
from foretell.jobs.scheduler import Scheduler
from foretell.jobs.schedules import SchedulesService
from foretell.jobs.service import JobsService


def jobs_service(parts: Parts, session: AsyncSession) -> JobsService:
    """The service whose statements run in `session`."""
    return JobsService(session, **jobs_parts(parts))


def schedules_service(
    parts: Parts, session: AsyncSession, jobs: JobsService | None = None
) -> SchedulesService:
    """The same for schedules."""
    return SchedulesService(
        session,
        jobs=jobs or jobs_service(parts, session),
        clock=parts.clock,
        cursors=parts.cursors,
    )


def scheduler(
    parts: Parts, principal_of: Callable[[str], Awaitable[Principal | None]]
) -> Scheduler:
    """What turns ticks into jobs, for a supervisor's chores."""
    return Scheduler(
        parts.database,
        parts.clock,
        lambda session: jobs_service(parts, session),
        principal_of,
    )


def chores(
    parts: Parts, principal_of: Callable[[str], Awaitable[Principal | None]]
) -> list[Callable[[], Awaitable[None]]]:
    """What a supervisor does once a second beside looking after its workers."""
    carrier = find_carrier(parts)
    sending = [] if carrier is None else [carrier.sweep]
    return [scheduler(parts, principal_of).sweep, *sending]


def retention(parts: Parts) -> Retention:
    """What forgets jobs of long ago."""
    settings = parts.settings
    days = settings.job_retention_days
    return Retention(parts.database, parts.clock, settings.data_dir, days)


def jobs_parts(parts: Parts) -> dict[str, Any]:
    """What a jobs service needs beside the session."""
    return {
        "registry": parts.port(TaskRegistry),
        "clock": parts.clock,
        "cursors": parts.cursors,
        "bell": bell_of(parts),
    }
