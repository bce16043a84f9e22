"""Predict in front of FastAPI: one ASGI callable for two exact addresses.

FastAPI's own share of a request costs several times what a small model does. This
door does what the routes do and nothing more; the edge has given the request its id,
its headers and its log line already. It steps aside for `Idempotency-Key` here, and
for user middleware and dependency overrides in the edge.
"""

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from foretell.core.principal import Authenticator, Principal
from foretell.core.principal import Scope as Permission
from foretell.errors import ForetellError, Unauthenticated
from foretell.http.problems import on_unexpected, problem_response
from foretell.http.routing import demand_scopes, limit_body
from foretell.predictions.replies import Headers, Reply
from foretell.predictions.requests import (
    MAX_BODY_BYTES,
    form_of,
    reference_in,
    routing_key_in,
)
from foretell.predictions.service import Predictions, Question

ANY = "/api/predict"
PREFIX, SUFFIX = "/api/models/", "/predict"
ROUTE = "/api/models/{model}/predict"


class _Gone(Exception):
    """The client went away before its body was complete."""


class PredictFastPath:
    """See the module's head."""

    def __init__(self, authenticator: Authenticator, predictions: Predictions) -> None:
        self._authenticator = authenticator
        self._predictions = predictions

    def claims(self, scope: Scope) -> bool:
        if scope["method"] != "POST":
            return False
        path = _path(scope)
        if path == ANY:
            return True
        if not path.startswith(PREFIX) or not path.endswith(SUFFIX):
            return False
        name = path[len(PREFIX) : -len(SUFFIX)]
        return bool(name) and "/" not in name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if b"idempotency-key" in headers:
            await scope["app"].handle(scope, receive, send)
            return
        path = _path(scope)
        model = None if path == ANY else path[len(PREFIX) : -len(SUFFIX)]
        scope["fast_route"] = ANY if model is None else ROUTE
        try:
            reply = await self._answer(scope, headers, receive, model)
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
        model: str | None,
    ) -> Reply:
        principal = await self._admit(headers)
        receive = _limited(scope, headers, receive)
        form = form_of(headers, is_any=model is None)
        question = Question(
            await _body(receive),
            reference_in(scope),
            routing_key=routing_key_in(headers),
            form=form,
        )
        if model is None:
            return await self._predictions.predict_any(principal, question)
        return await self._predictions.predict(principal, model, question)

    async def _admit(self, headers: dict[bytes, bytes]) -> Principal:
        principal = self._authenticator.authenticate_cached(headers)
        if principal is None:
            principal = await self._authenticator.authenticate(
                headers, is_safe_method=False
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


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _start(headers: Headers, size: int) -> Message:
    own = [*headers, (b"content-length", str(size).encode())]
    return {"type": "http.response.start", "status": 200, "headers": own}
