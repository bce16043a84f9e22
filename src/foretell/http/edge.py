"""The edge: a FastAPI application whose `__call__` does once what every request needs.

Request id, host check, header limits, security headers, CORS, limits of callers,
metrics and the access log happen here, in one ASGI callable, whichever door follows:
a fast path (a callable that claims exact paths in front of FastAPI) or the
application. A `BaseHTTPMiddleware` would cost more than a prediction
(docs/decisions/0005).
"""

import os
import re
import sys
import time
from collections.abc import Iterable, MutableMapping
from itertools import count
from typing import Any, Protocol

import orjson
from fastapi import FastAPI
from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from foretell.core.logs import bind_to_lines, get_logger
from foretell.http.access_log import AccessLog
from foretell.http.compression import compressed
from foretell.http.cors import with_cors
from foretell.http.limits import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_PATH_BYTES,
    SECURITY_HEADERS,
)
from foretell.http.metrics import Metrics
from foretell.http.problems import (
    MEDIA_TYPE,
    Problem,
    Renderers,
    problem_document,
    problem_response,
    render_problem,
)
from foretell.http.rate_limits import HEADERS, RateLimits
from foretell.http.token_schemes import TokenSchemes

log = get_logger("foretell.http")

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_PORT = re.compile(r":\d{1,5}$")
MAX_GOOD_HOSTS = 1_000

Refusal = tuple[int, str, str, str]
"""Status, slug, title and detail for what never reaches a route."""
_METHOD_REFUSED = (405, "method-not-allowed", "Method Not Allowed", "Not taken here.")
_HEADERS_REFUSED = (
    431,
    "headers-too-large",
    "Headers too large",
    f"More than {MAX_HEADERS} headers, or {MAX_HEADER_BYTES} bytes of them.",
)
_PATH_REFUSED = (414, "uri-too-long", "URI too long", "The address is too long.")
_HOST_REFUSED = (
    421,
    "unknown-host",
    "Unknown host",
    "This server does not answer for that host; see ALLOWED_HOSTS.",
)
_HOSTS_REFUSED = (
    400,
    "malformed-request",
    "Malformed request",
    "A request names one host, in one header.",
)
_OVERLOADED = (
    503,
    "overloaded",
    "Too much at once",
    "The server answers as many requests as it may; try again.",
)
_NOT_STARTED = (
    503,
    "not-started",
    "Foretell was not started",
    "It is mounted without its lifespan, so it has no database and no workers: "
    "mount it by foretell.mount.mount_in_starlette(host, app, path) or another "
    "function of that module, and in a test enter app.router.lifespan_context(app).",
)

# A year; told only where the caller came by TLS, which plain http could not keep.
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_HEADERS = {
    "overloaded": {"Retry-After": "1"},
    "method-not-allowed": {"Allow": ", ".join(sorted(_METHODS))},
}
"""Headers of refusals, by their slugs."""
_NO_STORE = (b"cache-control", b"no-store")
_API_POLICY = (
    b"content-security-policy",
    b"default-src 'none'; frame-ancestors 'none'; sandbox",
)


class FastPath(Protocol):
    """A callable in front of FastAPI for exact paths."""

    def claims(self, scope: Scope) -> bool:
        """Whether this request is for the fast path."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Edge(FastAPI):
    """See the module's head. `app.py` calls `open_edge` once when all is built."""

    def open_edge(
        self,
        *,
        hosts: frozenset[str],
        cors_origins: list[str],
        metrics: Metrics,
        access_log: AccessLog | None = None,
        max_requests: int = 0,
        needs_start: bool = False,
    ) -> None:
        """Fix what the edge does; before this call every request is a 500.

        Args:
            max_requests: How many are answered at the same time; 0 for any number.
            needs_start: Refuse them all while the lifespan does not run.
        """
        self._hosts = hosts
        self._any_host = "*" in hosts
        # Host headers that were found good, port included; bounded by forgetting.
        self._good_hosts: set[bytes] = set()
        self._metrics = metrics
        self._access_log = access_log
        self._fast_paths: list[FastPath] = []
        self._rate_limits: RateLimits | None = None
        self._max_requests = max_requests or sys.maxsize
        self._requests = 0
        self.is_started = not needs_start
        self._compressed = compressed(self.handle)
        self._ids = count()
        self._id_prefix = os.urandom(9).hex()
        self._front = with_cors(self._choose, cors_origins)
        if not hasattr(self.state, "renderers"):
            self.state.renderers = Renderers()
        self.state.token_schemes = TokenSchemes()

    def limit_callers(self, limits: RateLimits) -> None:
        """Count every request from now on, whichever door it takes."""
        self._rate_limits = limits

    def add_fast_path(self, fast_path: FastPath) -> None:
        """Let `fast_path` answer what it claims. It steps aside while the
        application has middleware or dependency overrides of its user."""
        self._fast_paths.append(fast_path)

    def remove_fast_path(self, fast_path: FastPath) -> None:
        """Leave to FastAPI what `fast_path` answered."""
        self._fast_paths.remove(fast_path)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI itself, without the edge."""
        await super().__call__(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.handle(scope, receive, send)
            return
        scope["app"] = self
        refusal, request_id = self._inspect(scope)
        # Starlette shares one state between requests when a server passes none.
        scope["state"] = {**(scope.get("state") or {}), "request_id": request_id}
        answer = _Answer(send, request_id, scope)
        started = time.perf_counter()
        self._requests += 1
        try:
            if refusal is not None:
                problem = Problem(*refusal, headers=_HEADERS.get(refusal[1], {}))
                await _refused(scope, problem)(scope, receive, answer)
            else:
                await self._front(scope, receive, answer)
        except Exception as error:
            # FastAPI's own handler has answered already; re-raising would make
            # the server drop the connection under the next request.
            log.error("http.request_failed", request_id=request_id, exc_info=error)
            if not answer.status:
                detail = "The request id finds the reason in the log."
                problem = Problem(500, "internal", "Internal error", detail)
                await _plain(scope, problem)(scope, receive, answer)
        finally:
            self._requests -= 1
            self._record(scope, answer.status, time.perf_counter() - started)

    async def _choose(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Behind CORS: a front end can read a refusal, and a preflight is not counted.
        if self._rate_limits is not None:
            refusal = await self._rate_limits.refusal(scope)
            if refusal is not None:
                response = problem_response(Request(scope), refusal)
                await response(scope, receive, send)
                return
        if not self.user_middleware and not self.dependency_overrides:
            for fast_path in self._fast_paths:
                if fast_path.claims(scope):
                    await fast_path(scope, receive, send)
                    return
        # For lines that are logged below HTTP.
        bind_to_lines(request_id=scope["state"]["request_id"])
        await self._compressed(scope, receive, send)

    def _inspect(self, scope: Scope) -> tuple[Refusal | None, str]:
        """What refuses the request before any route, and its id; one pass."""
        headers = scope["headers"]
        size, hosts, host, given = 0, 0, b"", b""
        for name, value in headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1
                host = value
            elif name == b"x-request-id":
                given = value
        if given and _REQUEST_ID.match(given):
            request_id = given.decode()
        else:
            request_id = f"{self._id_prefix}-{next(self._ids):x}"
        return self._refusal(scope, size, hosts, host), request_id

    def _refusal(
        self, scope: Scope, size: int, hosts: int, host: bytes
    ) -> Refusal | None:
        if scope["method"] not in _METHODS:
            return _METHOD_REFUSED
        if len(scope["headers"]) > MAX_HEADERS or size > MAX_HEADER_BYTES:
            return _HEADERS_REFUSED
        if len(scope.get("raw_path") or b"") > MAX_PATH_BYTES:
            return _PATH_REFUSED
        if hosts != 1:
            return _HOSTS_REFUSED
        if not (host in self._good_hosts or self._knows(host)):
            return _HOST_REFUSED
        if not self.is_started:
            return _NOT_STARTED
        # Whoever watches the server has to see it at its limit.
        if self._requests >= self._max_requests and get_route_path(scope) not in _QUIET:
            return _OVERLOADED
        return None

    def _knows(self, host: bytes) -> bool:
        name = host.decode("latin-1").lower()
        known = (
            self._any_host or name in self._hosts or _PORT.sub("", name) in self._hosts
        )
        if known:
            if len(self._good_hosts) > MAX_GOOD_HOSTS:
                self._good_hosts.clear()
            self._good_hosts.add(host)
        return known

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path_format", None) or scope.get("fast_route") or "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.observe_request(method, path, status, seconds)
        if self._access_log is not None and path not in _QUIET:
            request_id = scope["state"]["request_id"]
            self._access_log.add(
                (time.time(), request_id, method, path, status, seconds * 1000)
            )


class _Answer:
    """Adds the headers that every answer has and notes its status."""

    __slots__ = ("_is_by_tls", "_request_id", "_send", "_state", "status")

    def __init__(self, send: Send, request_id: str, scope: Scope) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self._state: MutableMapping[str, Any] = scope["state"]
        self._is_by_tls = scope.get("scheme") == "https"
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            _complete(message, self._request_id, self._state.get(HEADERS, ()))
            if self._is_by_tls:
                message["headers"].append(_HSTS)
        await self._send(message)


def _complete(
    message: MutableMapping[str, Any],
    request_id: bytes,
    more: Iterable[tuple[bytes, bytes]],
) -> None:
    headers = [*message.get("headers", ()), (b"x-request-id", request_id), *more]
    headers += SECURITY_HEADERS
    has_policy = has_caching = False
    for name, _ in headers:
        if name == b"content-security-policy":
            has_policy = True
        elif name == b"cache-control":
            has_caching = True
    if not has_policy:
        headers.append(_API_POLICY)
    if not has_caching:
        headers.append(_NO_STORE)
    message["headers"] = headers


def _refused(scope: Scope, problem: Problem) -> Response:
    """A refusal of the edge's own, in the dialect of its path."""
    renderer = scope["app"].state.renderers.find(get_route_path(scope))
    if renderer is render_problem:
        return _plain(scope, problem)
    found: Response = renderer(Request(scope), problem)
    return found


def _plain(scope: Scope, problem: Problem) -> Response:
    # Not by `render_problem`: it asks for the URL, which a bad Host has none of.
    request_id = scope["state"]["request_id"]
    document = problem_document(problem, scope["path"], request_id)
    return Response(
        orjson.dumps(document), problem.status, dict(problem.headers), MEDIA_TYPE
    )
