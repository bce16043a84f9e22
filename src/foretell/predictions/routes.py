"""HTTP routes of predictions. The first two answer what the fast path answers; they
carry the documents, and serve when it steps aside."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from foretell.core.principal import Scope
from foretell.http.dependencies import CurrentUser, State
from foretell.http.routing import body_limit, requires, router
from foretell.jobs.dependencies import Jobs
from foretell.jobs.schemas import JobRead
from foretell.jobs.tables import Job
from foretell.predictions.batching import BATCH_TASK
from foretell.predictions.requests import (
    ARROW,
    MAX_BODY_BYTES,
    is_arrow,
    reference_in,
)
from foretell.predictions.schemas import (
    AnyPredictBody,
    AnyPredictionRead,
    BatchCreate,
    PredictBody,
    PredictionsRead,
)
from foretell.predictions.service import Predictions

routes = router("/api", tags=["predictions"])


def _body_of(schema: dict[str, Any]) -> dict[str, Any]:
    content = {
        "application/json": {"schema": schema},
        ARROW.decode(): {"schema": {"type": "string", "format": "binary"}},
    }
    return {"requestBody": {"required": True, "content": content}}


async def get_predictions(state: State) -> Predictions:
    return state.port(Predictions)


PredictionsOf = Annotated[Predictions, Depends(get_predictions)]
Version = Annotated[
    str | None, Query(description="A number, an alias or `latest`.", max_length=4096)
]


@routes.post(
    "/models/{model}/predict",
    response_class=Response,
    responses={200: {"model": PredictionsRead}},
    openapi_extra=_body_of(PredictBody.model_json_schema()),
    dependencies=[requires(Scope.MODELS_PREDICT), body_limit(MAX_BODY_BYTES)],
)
async def predict(
    request: Request,
    model: str,
    user: CurrentUser,
    predictions: PredictionsOf,
    version: Version = None,
) -> Response:
    """Predict rows with a model; by default its champion, else its latest version."""
    arrow = is_arrow(_content_type(request))
    body = await request.body()
    reference = reference_in(request.scope)
    return _answer(
        await predictions.predict(user, model, reference, body, is_arrow=arrow)
    )


@routes.post(
    "/predict",
    response_class=Response,
    responses={200: {"model": AnyPredictionRead}},
    openapi_extra=_body_of(AnyPredictBody.model_json_schema()),
    dependencies=[requires(Scope.MODELS_PREDICT), body_limit(MAX_BODY_BYTES)],
)
async def predict_any(
    request: Request,
    user: CurrentUser,
    predictions: PredictionsOf,
    version: Version = None,
) -> Response:
    """Predict with the model that the body names, or the default model."""
    arrow = is_arrow(_content_type(request))
    body = await request.body()
    reference = reference_in(request.scope)
    return _answer(await predictions.predict_any(user, reference, body, is_arrow=arrow))


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


def _content_type(request: Request) -> bytes | None:
    sent = request.headers.get("content-type")
    return None if sent is None else sent.encode("latin-1")


def _answer(body: bytes) -> Response:
    return Response(body, media_type="application/json")
