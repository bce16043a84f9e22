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
from foretell.http.caller_address import caller_address
from foretell.http.problems import on_unexpected, problem_response
from foretell.http.routing import demand_scopes, limit_body
from foretell.predictions.requests import (
    MAX_BODY_BYTES,
    is_arrow,
    reference_in,
    routing_key_in,
)
from foretell.predictions.service import Predictions, Question

ANY = "/api/predict"
PREFIX, SUFFIX = "/api/models/", "/predict"
ROUTE = "/api/models/{model}/predict"
_JSON = (b"content-type", b"application/json")


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
            body = await self._answer(scope, headers, receive, model)
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
            await send(_start(len(body)))
            await send({"type": "http.response.body", "body": body})

    async def _answer(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        model: str | None,
    ) -> bytes:
        principal = await self._admit(scope, headers)
        body, arrow = await _body(scope, headers, receive)
        question = Question(
            body,
            reference_in(scope),
            routing_key=routing_key_in(headers),
            is_arrow=arrow,
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


async def _body(
    scope: Scope, headers: dict[bytes, bytes], receive: Receive
) -> tuple[bytes, bool]:
    """The body, and whether it is an Arrow stream."""
    announced = headers.get(b"content-length", b"")
    is_small = announced.isdigit() and int(announced) <= MAX_BODY_BYTES
    if not is_small:
        # Counts what arrives, exactly as the routes do.
        request = Request(scope, receive)
        limit_body(request, MAX_BODY_BYTES)
        receive = request.receive
    arrow = is_arrow(headers.get(b"content-type"))
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        return message.get("body", b""), arrow
    pieces: list[bytes] = []
    while True:
        if message["type"] == "http.disconnect":
            raise _Gone
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces), arrow
        message = await receive()


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _start(size: int) -> Message:
    headers = [_JSON, (b"content-length", str(size).encode())]
    return {"type": "http.response.start", "status": 200, "headers": headers}
