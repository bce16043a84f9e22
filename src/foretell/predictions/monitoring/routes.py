"""HTTP route of monitoring."""

from typing import Annotated

from fastapi import Query

from foretell.core.principal import Scope
from foretell.http.dependencies import CurrentUser
from foretell.http.routing import requires, router
from foretell.models.dependencies import ModelName
from foretell.predictions.monitoring.dependencies import Watching
from foretell.predictions.monitoring.schemas import DayOf, MonitoringRead
from foretell.predictions.monitoring.service import Monitoring

routes = router("/api/models", tags=["models"])

Version = Annotated[
    str | None, Query(description="A number, an alias or `latest`.", max_length=4096)
]
First = Annotated[
    DayOf | None, Query(alias="from", description="First day; by default six before.")
]
Last = Annotated[
    DayOf | None, Query(alias="to", description="Last day; by default today (UTC).")
]


@routes.get(
    "/{model}/monitoring",
    response_model=MonitoringRead,
    dependencies=[requires(Scope.MODELS_READ)],
)
async def read_monitoring(
    model: ModelName,
    user: CurrentUser,
    watching: Watching,
    version: Version = None,
    first: First = None,
    last: Last = None,
) -> Monitoring:
    """What a version did on some days: calls, errors, latency, predictions, drift.

    By default the version that answers, and the last seven days. Drift is the
    population stability index of each input against the example rows of the upload.
    Figures are two seconds old at most; values of rows are not kept.
    """
    return await watching.read(user, model, version, first, last)
