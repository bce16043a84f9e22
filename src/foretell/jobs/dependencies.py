"""Builds the jobs service of one request."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from foretell.http.dependencies import Session, State
from foretell.jobs.composing import jobs_parts
from foretell.jobs.enqueueing import RequestJobs
from foretell.jobs.watcher import Watcher


def get_announcer(request: Request, response: Response) -> Callable[[str], None]:
    """Says in the answer of a route that answers 202 which job it started."""

    def announce(job_id: str) -> None:
        # The injected response: what it holds is remembered for Idempotency-Key.
        if getattr(request.scope.get("route"), "status_code", None) == 202:
            root_path = request.scope.get("root_path", "")
            response.headers.setdefault("Location", f"{root_path}/api/jobs/{job_id}")

    return announce


Announce = Annotated[Callable[[str], None], Depends(get_announcer)]


def get_jobs(
    state: State, session: Session, request: Request, announce: Announce
) -> RequestJobs:
    """Jobs in the request's own transaction."""
    return RequestJobs(
        session,
        principal=getattr(request.state, "principal", None),
        announce=announce,
        **jobs_parts(state),
    )


def get_watcher(state: State) -> Watcher:
    return state.port(Watcher)


Jobs = Annotated[RequestJobs, Depends(get_jobs)]
WatcherDep = Annotated[Watcher, Depends(get_watcher)]
