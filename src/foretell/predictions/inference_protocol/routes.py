"""HTTP routes of the Open Inference Protocol V2. The last two answer what the fast path
answers; they carry the documents, and serve when it steps aside."""

from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response

from foretell.core.principal import Principal, Scope
from foretell.http.dependencies import CurrentUser, State
from foretell.http.health import VERSION, readyz
from foretell.http.routing import body_limit, public, requires, router
from foretell.predictions.inference_protocol import messages
from foretell.predictions.inference_protocol.schemas import (
    IndexEntryRead,
    InferenceErrorRead,
    InferRead,
    InferRequest,
    LiveRead,
    ModelMetadataRead,
    ModelReadyRead,
    ServerMetadataRead,
    ServerReadyRead,
)
from foretell.predictions.inference_protocol.service import InferenceProtocol
from foretell.predictions.requests import MAX_BODY_BYTES, routing_key_in
from foretell.predictions.routes import RoutingKey, answer_of
from foretell.predictions.service import Predictions

routes = router("/v2", tags=["inference protocol"])
MAY_ASK = requires(Scope.MODELS_PREDICT)
_REFUSAL: dict[str, Any] = {"model": InferenceErrorRead}
OPEN: dict[int | str, dict[str, Any]] = {
    "default": {**_REFUSAL, "description": "A refusal of the protocol."}
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    **OPEN,
    401: {**_REFUSAL, "description": "No credential, or a wrong one."},
    403: {**_REFUSAL, "description": "The credential lacks the scope."},
}
EXTENSIONS = ["binary_tensor_data", "model_repository"]
_VERSIONED = "/models/{model}/versions/{version}"
_JSON_LENGTH = Annotated[
    str | None,
    Header(
        alias=messages.HEADER_LENGTH,
        description="Bytes of JSON in front of the bytes of the tensors.",
    ),
]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            messages.JSON: {"schema": InferRequest.model_json_schema()},
            messages.BYTES: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


async def get_protocol(state: State) -> InferenceProtocol:
    return InferenceProtocol(state.port(Predictions))


Protocol = Annotated[InferenceProtocol, Depends(get_protocol)]


@routes.get(
    "", response_model=ServerMetadataRead, responses=REFUSALS, dependencies=[MAY_ASK]
)
async def read_server_metadata() -> ServerMetadataRead:
    """Name the server, its version and what it can do beside the protocol."""
    return ServerMetadataRead(version=VERSION, extensions=EXTENSIONS)


@routes.get(
    "/health/live", response_model=LiveRead, responses=OPEN, dependencies=[public]
)
async def is_server_live() -> LiveRead:
    """Say that the process answers."""
    return LiveRead()


@routes.get(
    "/health/ready",
    response_model=ServerReadyRead,
    responses={**OPEN, 503: {"model": ServerReadyRead}},
    dependencies=[public],
)
async def is_server_ready(request: Request, response: Response) -> ServerReadyRead:
    """Say whether inferences will succeed; `/readyz` tells it part by part."""
    response.status_code = (await readyz(request)).status_code
    return ServerReadyRead(ready=response.status_code == 200)


@routes.post(
    "/repository/index",
    response_model=list[IndexEntryRead],
    responses=REFUSALS,
    dependencies=[MAY_ASK],
)
async def list_models(user: CurrentUser, protocol: Protocol) -> list[dict[str, Any]]:
    """List the models that the caller may ask."""
    return await protocol.index(user)


@routes.get(
    "/models/{model}",
    response_model=ModelMetadataRead,
    responses=REFUSALS,
    dependencies=[MAY_ASK],
)
async def read_model_metadata(
    model: str, user: CurrentUser, protocol: Protocol
) -> dict[str, Any]:
    """Name the tensors that a model takes and gives."""
    return await protocol.metadata(user, model, None)


@routes.get(
    _VERSIONED,
    response_model=ModelMetadataRead,
    responses=REFUSALS,
    dependencies=[MAY_ASK],
)
async def read_version_metadata(
    model: str, version: str, user: CurrentUser, protocol: Protocol
) -> dict[str, Any]:
    """Name the tensors that a version takes and gives."""
    return await protocol.metadata(user, model, version)


@routes.get(
    "/models/{model}/ready",
    response_model=ModelReadyRead,
    responses=REFUSALS,
    dependencies=[MAY_ASK],
)
async def is_model_ready(
    model: str, user: CurrentUser, protocol: Protocol
) -> ModelReadyRead:
    """Say that a model can answer."""
    await protocol.demand_ready(user, model, None)
    return ModelReadyRead(name=model)


@routes.get(
    f"{_VERSIONED}/ready",
    response_model=ModelReadyRead,
    responses=REFUSALS,
    dependencies=[MAY_ASK],
)
async def is_version_ready(
    model: str, version: str, user: CurrentUser, protocol: Protocol
) -> ModelReadyRead:
    """Say that a version can answer."""
    await protocol.demand_ready(user, model, version)
    return ModelReadyRead(name=model)


@routes.post(
    "/models/{model}/infer",
    response_class=Response,
    responses={**REFUSALS, 200: {"model": InferRead}},
    openapi_extra=_BODY,
    dependencies=[MAY_ASK, body_limit(MAX_BODY_BYTES)],
)
async def infer(
    request: Request,
    model: str,
    user: CurrentUser,
    protocol: Protocol,
    json_length: _JSON_LENGTH = None,
    routing_key: RoutingKey = None,
) -> Response:
    """Predict with a model: the split chooses, else its champion or latest version."""
    return await _inferred(request, model, None, user, protocol)


@routes.post(
    f"{_VERSIONED}/infer",
    response_class=Response,
    responses={**REFUSALS, 200: {"model": InferRead}},
    openapi_extra=_BODY,
    dependencies=[MAY_ASK, body_limit(MAX_BODY_BYTES)],
)
async def infer_with_version(
    request: Request,
    model: str,
    version: str,
    user: CurrentUser,
    protocol: Protocol,
    json_length: _JSON_LENGTH = None,
) -> Response:
    """Predict with one version of a model."""
    return await _inferred(request, model, version, user, protocol)


async def _inferred(
    request: Request,
    model: str,
    version: str | None,
    user: Principal,
    protocol: InferenceProtocol,
) -> Response:
    headers = dict(request.scope["headers"])
    reply = await protocol.infer(
        user,
        model,
        version,
        await request.body(),
        messages.json_length_in(headers),
        routing_key_in(headers),
    )
    return answer_of(reply)
