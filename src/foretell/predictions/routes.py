"""HTTP routes of predictions. The first two answer what the fast path answers; they
carry the documents, and serve when it steps aside."""

from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response

from foretell.core.principal import Scope
from foretell.http.dependencies import CurrentUser, State
from foretell.http.routing import body_limit, requires, router
from foretell.jobs.dependencies import Jobs
from foretell.jobs.schemas import JobRead
from foretell.jobs.tables import Job
from foretell.predictions.batching import BATCH_TASK
from foretell.predictions.forms import ARROW, NPY
from foretell.predictions.replies import Reply
from foretell.predictions.requests import (
    MAX_BODY_BYTES,
    form_of,
    reference_in,
    routing_key_in,
)
from foretell.predictions.schemas import (
    AnyPredictBody,
    AnyPredictionRead,
    BatchCreate,
    PredictBody,
    PredictionsRead,
)
from foretell.predictions.service import Predictions, Question

routes = router("/api", tags=["predictions"])


_BINARY = {"schema": {"type": "string", "format": "binary"}}


def _body_of(schema: dict[str, Any]) -> dict[str, Any]:
    content = {
        "application/json": {"schema": schema},
        ARROW.decode(): _BINARY,
        NPY.decode(): _BINARY,
    }
    return {"requestBody": {"required": True, "content": content}}


async def get_predictions(state: State) -> Predictions:
    return state.port(Predictions)


PredictionsOf = Annotated[Predictions, Depends(get_predictions)]
Version = Annotated[
    str | None, Query(description="A number, an alias or `latest`.", max_length=4096)
]

RoutingKey = Annotated[
    str | None,
    Header(
        alias="X-Routing-Key",
        description="Calls with the same key get the same version of a split.",
    ),
]


@routes.post(
    "/models/{model}/predict",
    response_class=Response,
    responses={200: {"model": PredictionsRead, "content": {NPY.decode(): _BINARY}}},
    openapi_extra=_body_of(PredictBody.model_json_schema()),
    dependencies=[requires(Scope.MODELS_PREDICT), body_limit(MAX_BODY_BYTES)],
)
async def predict(
    request: Request,
    model: str,
    user: CurrentUser,
    predictions: PredictionsOf,
    version: Version = None,
    routing_key: RoutingKey = None,
) -> Response:
    """Predict rows with a model; by default its champion, else its latest version."""
    question = await _question(request)
    return answer_of(await predictions.predict(user, model, question))


@routes.post(
    "/predict",
    response_class=Response,
    responses={200: {"model": AnyPredictionRead, "content": {NPY.decode(): _BINARY}}},
    openapi_extra=_body_of(AnyPredictBody.model_json_schema()),
    dependencies=[requires(Scope.MODELS_PREDICT), body_limit(MAX_BODY_BYTES)],
)
async def predict_any(
    request: Request,
    user: CurrentUser,
    predictions: PredictionsOf,
    version: Version = None,
    routing_key: RoutingKey = None,
) -> Response:
    """Predict with the model that the body names, or the default model."""
    question = await _question(request, is_any=True)
    return answer_of(await predictions.predict_any(user, question))


@routes.post(
    "/models/{model}/batch",
    status_code=202,
    response_model=JobRead,
    dependencies=[requires(Scope.MODELS_PREDICT, Scope.DATASETS_WRITE)],
)
async def start_batch(
    request: Request,
    response: Response,
    model: str,
    body: BatchCreate,
    user: CurrentUser,
    jobs: Jobs,
) -> Job:
    """Predict all rows of a dataset; a job makes a new version of `output`."""
    args = {"model": model, **body.model_dump()}
    target = f"/api/datasets/{body.output}"
    job = await jobs.request(user, BATCH_TASK, args, target=target)
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}/api/jobs/{job.id}"
    return job


async def _question(request: Request, *, is_any: bool = False) -> Question:
    headers = dict(request.scope["headers"])
    form = form_of(headers, is_any=is_any)
    return Question(
        await request.body(),
        reference_in(request.scope),
        routing_key=routing_key_in(headers),
        form=form,
    )


def answer_of(reply: Reply) -> Response:
    """The response that the fast path sends too."""
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, headers=headers)
