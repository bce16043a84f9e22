"""Builds the jobs service of one request."""

from typing import Annotated

from fastapi import Depends

from foretell.http.dependencies import Session, State
from foretell.jobs.composing import jobs_service
from foretell.jobs.service import JobsService
from foretell.jobs.watcher import Watcher


def get_jobs(state: State, session: Session) -> JobsService:
    """Jobs in the request's own transaction."""
    return jobs_service(state, session)


def get_watcher(state: State) -> Watcher:
    return state.port(Watcher)


Jobs = Annotated[JobsService, Depends(get_jobs)]
WatcherDep = Annotated[Watcher, Depends(get_watcher)]
