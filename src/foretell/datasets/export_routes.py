"""Datasets out to other databases, over HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from foretell.core.principal import Scope
from foretell.datasets.dependencies import Outside
from foretell.datasets.outside_schemas import ExportWrite
from foretell.http.dependencies import CurrentUser
from foretell.http.routing import requires, router
from foretell.jobs.routes import locate
from foretell.jobs.schemas import JobRead
from foretell.jobs.tables import Job

routes = router("/api/datasets", tags=["datasets"])


@routes.post(
    "/{name}/export",
    status_code=202,
    response_model=JobRead,
    dependencies=[requires(Scope.DATASETS_READ, Scope.CONNECTIONS_USE)],
)
async def export_dataset(
    name: str,
    body: ExportWrite,
    request: Request,
    response: Response,
    user: CurrentUser,
    outside: Outside,
) -> Job:
    """Write a version of a dataset to a table, a collection or a Redis key."""
    job = await outside.export(user, name, body)
    locate(request, response, job)
    return job
