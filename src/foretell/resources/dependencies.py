"""Builds the service of a resource for one request."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from foretell.auth.dependencies import caller_of, services_of
from foretell.http.dependencies import Session, State
from foretell.jobs.dependencies import Jobs
from foretell.resources.access import Access
from foretell.resources.description import ResourceDescription
from foretell.resources.service import ResourceService


def service_of(description: ResourceDescription) -> Callable[..., Any]:
    """The dependency that gives a request the service of one resource."""

    async def get_service(
        request: Request, state: State, session: Session, jobs: Jobs
    ) -> ResourceService:
        return ResourceService(
            Access(description, caller_of(request)),
            session,
            clock=state.clock,
            cursors=state.cursors,
            jobs=lambda: jobs,
            audit=services_of(request, session).audit if description.audit else None,
        )

    return get_service
