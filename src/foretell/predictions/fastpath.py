"""Predict and infer in front of FastAPI: one ASGI callable for four exact addresses.

FastAPI's own share of a request costs several times what a small model does. This
door does what the routes do and nothing more; the edge has given the request its id,
its headers and its log line already. It steps aside for `Idempotency-Key` here, and
for user middleware and dependency overrides in the edge.
"""

from typing import NamedTuple

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from foretell.core.principal import Authenticator, Principal
from foretell.core.principal import Scope as Permission
from foretell.errors import ForetellError, Unauthenticated
from foretell.http.caller_address import caller_address
from foretell.http.problems import on_unexpected, problem_response
from foretell.http.routing import demand_scopes, limit_body
from foretell.predictions.inference_protocol.messages import json_length_in
from foretell.predictions.inference_protocol.service import InferenceProtocol
from foretell.predictions.replies import Headers, Reply
from foretell.predictions.requests import (
    MAX_BODY_BYTES,
    form_of,
    reference_in,
    routing_key_in,
)
from foretell.predictions.service import Predictions, Question

ANY = "/api/predict"
PREDICT, PREDICT_END = "/api/models/", "/predict"
INFER, INFER_END = "/v2/models/", "/infer"
_ROUTE = "/api/models/{model}/predict"
_INFER_ROUTE = "/v2/models/{model}/infer"
_VERSION_ROUTE = "/v2/models/{model}/versions/{version}/infer"


class _Target(NamedTuple):
    """What an address names.

    Attributes:
        route: The address as metrics and the log have it.
        model: `None`: the body names it.
        version: Where the address names one.
        is_infer: It speaks the Open Inference Protocol.
    """

    route: str
    model: str | None
    version: str | None = None
    is_infer: bool = False


_ANY = _Target(ANY, None)


class _Gone(Exception):
    """The client went away before its body was complete."""


class PredictFastPath:
    """See the module's head."""

    def __init__(self, authenticator: Authenticator, predictions: Predictions) -> None:
        self._authenticator = authenticator
        self._predictions = predictions
        self._protocol = InferenceProtocol(predictions)

    def claims(self, scope: Scope) -> bool:
        return scope["method"] == "POST" and _target(_path(scope)) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        target = _target(_path(scope))
        if target is None or b"idempotency-key" in headers:
            await scope["app"].handle(scope, receive, send)
            return
        scope["fast_route"] = target.route
        try:
            reply = await self._answer(scope, headers, receive, target)
        except _Gone:
            return
        except ForetellError as error:
            response = problem_response(Request(scope), error)
            await response(scope, receive, send)
        except Exception as error:
            # What FastAPI's own handler does at the other door.
            response = await on_unexpected(Request(scope), error)
            await response(scope, receive, send)
        else:
            await send(_start(reply.headers, len(reply.body)))
            await send({"type": "http.response.body", "body": reply.body})

    async def _answer(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        target: _Target,
    ) -> Reply:
        principal = await self._admit(scope, headers)
        receive = _limited(scope, headers, receive)
        routing_key = routing_key_in(headers)
        model = target.model
        if model is not None and target.is_infer:
            return await self._protocol.infer(
                principal,
                model,
                target.version,
                await _body(receive),
                json_length_in(headers),
                routing_key,
            )
        form = form_of(headers, is_any=model is None)
        question = Question(
            await _body(receive), reference_in(scope), routing_key, form
        )
        if model is None:
            return await self._predictions.predict_any(principal, question)
        return await self._predictions.predict(principal, model, question)

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Principal:
        principal = self._authenticator.authenticate_cached(headers)
        if principal is None:
            principal = await self._authenticator.authenticate(
                headers, is_safe_method=False, address=caller_address(scope)
            )
        if principal is None:
            raise Unauthenticated("Sign in, or send an API key as a Bearer token.")
        if Permission.MODELS_PREDICT not in principal.scopes:
            demand_scopes(principal, (Permission.MODELS_PREDICT,))
        return principal


def _limited(scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Receive:
    """Refuse a body that announces to be too large, and one that becomes so."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) <= MAX_BODY_BYTES:
        return receive
    # Counts what arrives, exactly as the routes do.
    request = Request(scope, receive)
    limit_body(request, MAX_BODY_BYTES)
    return request.receive


async def _body(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        return bytes(message.get("body", b""))
    pieces: list[bytes] = []
    while True:
        if message["type"] == "http.disconnect":
            raise _Gone
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()


def _target(path: str) -> _Target | None:
    if path.startswith(PREDICT) and path.endswith(PREDICT_END):
        model = path[len(PREDICT) : -len(PREDICT_END)]
        return _Target(_ROUTE, model) if model and "/" not in model else None
    if path.startswith(INFER) and path.endswith(INFER_END):
        return _infer_target(path[len(INFER) : -len(INFER_END)])
    return _ANY if path == ANY else None


def _infer_target(named: str) -> _Target | None:
    model, _, rest = named.partition("/")
    if not model:
        return None
    if not rest:
        is_whole = model == named
        return _Target(_INFER_ROUTE, model, None, True) if is_whole else None
    noun, _, version = rest.partition("/")
    if noun != "versions" or not version or "/" in version:
        return None
    return _Target(_VERSION_ROUTE, model, version, True)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _start(headers: Headers, size: int) -> Message:
    own = [*headers, (b"content-length", str(size).encode())]
    return {"type": "http.response.start", "status": 200, "headers": own}
