"""Sends requests to an application with the fast path in front, and compares."""

from typing import Any

import httpx2
from starlette.types import Receive, Scope, Send

from foretell.http.edge import Edge


class RoutesOnly:
    """The same application, as if it had no fast path."""

    def __init__(self, app: Edge) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        paths, self._app._fast_paths = self._app._fast_paths, []
        try:
            await self._app(scope, receive, send)
        finally:
            self._app._fast_paths = paths


class BothDoors(httpx2.AsyncBaseTransport):
    """Sends everything through the fast path, and each GET through the routes too."""

    def __init__(self, app: Edge) -> None:
        self._fast = httpx2.ASGITransport(app=app)
        self._routes = httpx2.ASGITransport(app=RoutesOnly(app))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._fast.handle_async_request(request)
        if request.method != "GET":
            return answer
        wanted = await self._routes.handle_async_request(request)
        for response in (answer, wanted):
            await response.aread()
        assert said(answer) == said(wanted)
        return answer


def said(response: httpx2.Response) -> tuple[Any, ...]:
    """What an answer says, but for its request id and its times; to compare."""
    hidden = str(response.headers["x-request-id"]).encode()
    headers = {
        (name, value)
        for name, value in response.headers.items()
        if name not in ("x-request-id", "vary", "server-timing")
    }
    if response.status_code >= 400:
        # The id stands in the problem document too.
        headers = {(n, v) for n, v in headers if n != "content-length"}
    body = response.content.replace(hidden, b"")
    return response.status_code, headers, body
