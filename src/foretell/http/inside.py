"""Ask the application itself, as the same caller: for `Location` after a wait.

The answer to `Prefer: wait` and to a repeated `Idempotency-Key` is what GET of
the finished thing answers. Going through the public route keeps one definition
of that body and one check of who may see it.
"""

from collections.abc import MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

_KEPT_HEADERS = frozenset({b"authorization", b"cookie", b"host", b"origin"})


async def get(request: Request, location: str) -> Response:
    """GET `location` (a path, mount prefix included) with the caller's credential."""
    root_path = request.scope.get("root_path", "")
    path, _, query = location.partition("?")
    scope: MutableMapping[str, Any] = {
        **{k: request.scope[k] for k in ("type", "asgi", "http_version", "scheme")},
        "server": request.scope.get("server"),
        "client": request.scope.get("client"),
        "root_path": root_path,
        "method": "GET",
        "path": path if path.startswith(root_path) else root_path + path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [h for h in request.scope["headers"] if h[0] in _KEPT_HEADERS],
        "state": {"request_id": request.scope["state"].get("request_id", "")},
    }
    collected = _Collected()
    await request.app.handle(scope, _no_body, collected.send)
    return collected.response()


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


class _Collected:
    def __init__(self) -> None:
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = list(message.get("headers", ()))
        else:
            self._body += message.get("body", b"")

    def response(self) -> Response:
        response = Response(bytes(self._body), self._status)
        response.raw_headers = self._headers
        return response
