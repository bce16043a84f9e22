"""Builds the jobs service for a unit of work, in requests and jobs alike."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.parts import Parts
from foretell.jobs.doorbell import Doorbell
from foretell.jobs.registry import TaskRegistry
from foretell.jobs.service import JobsService


def jobs_service(parts: Parts, session: AsyncSession) -> JobsService:
    """The service whose statements run in `session`."""
    return JobsService(session, **jobs_parts(parts))


def jobs_parts(parts: Parts) -> dict[str, Any]:
    """What a jobs service needs beside the session."""
    return {
        "registry": parts.port(TaskRegistry),
        "clock": parts.clock,
        "cursors": parts.cursors,
        "bell": parts.port(Doorbell),
    }
