"""HTTP route of SQL over datasets."""

from fastapi import Request, Response

from foretell.core.principal import Scope
from foretell.datasets.dependencies import DatasetViews, Readers
from foretell.datasets.errors import TooManyNames
from foretell.datasets.schemas import QueryRead, QuerySend
from foretell.datasets.sql_names import MAX_NAMES, mentioned
from foretell.http.dependencies import CurrentUser
from foretell.http.leaving import unless_gone
from foretell.http.routing import requires, router

routes = router("/api", tags=["datasets"])


@routes.post(
    "/query",
    response_class=Response,
    responses={200: {"model": QueryRead}},
    dependencies=[requires(Scope.DATASETS_READ)],
)
async def query_datasets(
    request: Request,
    body: QuerySend,
    user: CurrentUser,
    views: DatasetViews,
    readers: Readers,
) -> Response:
    """Run one read-only SELECT over the datasets that you may see.

    A dataset is a table of its name: `sales`, `"my-data"`, and `"sales@3"` for one
    version. Of columns that differ only by case the later one takes `_2`.
    """
    wanted = mentioned(body.sql)
    if len(wanted) > MAX_NAMES:
        raise TooManyNames(MAX_NAMES)
    versions = await views.find_named(user, wanted)
    found = await unless_gone(
        request,
        readers.answer(
            body.sql,
            versions,
            limit=body.limit,
            timeout_seconds=body.timeout_s,
            caller=user.user_id,
        ),
    )
    return Response(found.to_json(), media_type="application/json")
