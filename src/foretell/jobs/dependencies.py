"""Builds the jobs service of one request."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from foretell.http.dependencies import Session, State
from foretell.jobs.composing import jobs_parts, schedules_service
from foretell.jobs.enqueueing import RequestJobs
from foretell.jobs.schedules import SchedulesService
from foretell.jobs.watcher import Watcher


async def get_announcer(request: Request, response: Response) -> Callable[[str], None]:
    """Says in the answer of a route that answers 202 which job it started."""

    def announce(job_id: str) -> None:
        # The injected response: what it holds is remembered for Idempotency-Key.
        if getattr(request.scope.get("route"), "status_code", None) == 202:
            root_path = request.scope.get("root_path", "")
            response.headers.setdefault("Location", f"{root_path}/api/jobs/{job_id}")

    return announce


Announce = Annotated[Callable[[str], None], Depends(get_announcer)]


async def get_jobs(
    state: State, session: Session, request: Request, announce: Announce
) -> RequestJobs:
    """Jobs in the request's own transaction."""
    return RequestJobs(
        session,
        principal=getattr(request.state, "principal", None),
        announce=announce,
        **jobs_parts(state),
    )


Jobs = Annotated[RequestJobs, Depends(get_jobs)]


async def get_schedules(state: State, session: Session, jobs: Jobs) -> SchedulesService:
    """Schedules in the request's own transaction."""
    return schedules_service(state, session, jobs)


async def get_now(state: State) -> datetime:
    """The moment of the request, by the app's clock."""
    return state.clock.now()


async def get_watcher(state: State) -> Watcher:
    return state.port(Watcher)


Schedules = Annotated[SchedulesService, Depends(get_schedules)]
Now = Annotated[datetime, Depends(get_now)]
WatcherDep = Annotated[Watcher, Depends(get_watcher)]
