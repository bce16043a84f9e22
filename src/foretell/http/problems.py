"""RFC 9457 problem details: one shape for every refusal.

Three families speak another dialect because their specification says so:
`/token*` (RFC 6749), `/v2*` (Open Inference Protocol) and whatever an extension
registers under its prefix. A renderer turns a `Problem` into a response.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from foretell.core.logs import get_logger
from foretell.errors import PROBLEM_TYPE_PREFIX, FieldError, ForetellError
from foretell.http.leaving import CallerGone

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 100

log = get_logger("foretell.http")


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal, ready to be rendered."""

    status: int
    slug: str
    title: str
    detail: str
    errors: Sequence[FieldError] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


Renderer = Callable[[Request, Problem], Response]


class Renderers:
    """Which renderer speaks under which path prefix; the longest prefix wins."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, Renderer] = {}

    def register(self, prefix: str, renderer: Renderer) -> None:
        self._by_prefix[prefix] = renderer

    def find(self, path: str) -> Renderer:
        found = [p for p in self._by_prefix if path == p or path.startswith(p + "/")]
        return self._by_prefix[max(found, key=len)] if found else render_problem


def problem_of(error: ForetellError) -> Problem:
    """The problem that tells of `error`."""
    return Problem(
        status=error.status,
        slug=error.slug,
        title=error.title,
        detail=error.detail,
        errors=error.errors[:MAX_FIELD_ERRORS],
        context=error.context,
        headers=error.headers,
    )


def problem_document(
    problem: Problem, instance: str, request_id: str
) -> dict[str, Any]:
    """The JSON members of a problem (RFC 9457 section 3)."""
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE_PREFIX + problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "request_id": request_id,
    }
    if problem.errors:
        document["errors"] = [
            {"pointer": e.pointer, "message": e.message, "code": e.code}
            for e in problem.errors
        ]
    for name, value in problem.context.items():
        document.setdefault(name, value)
    return document


def render_problem(request: Request, problem: Problem) -> Response:
    """The default renderer: `application/problem+json`."""
    request_id = str(request.scope.get("state", {}).get("request_id", ""))
    document = problem_document(problem, request.url.path, request_id)
    return Response(
        orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS),
        problem.status,
        dict(problem.headers),
        MEDIA_TYPE,
    )


def problem_response(request: Request, error: ForetellError) -> Response:
    """The response for `error` in the dialect of the request's path."""
    return _render(request, problem_of(error))


def _render(request: Request, problem: Problem) -> Response:
    renderers: Renderers = request.app.state.renderers
    return renderers.find(get_route_path(request.scope))(request, problem)


async def on_foretell_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ForetellError):
        raise error
    return problem_response(request, error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Routing's own refusals (404, 405) and those of FastAPI's body parsing."""
    if not isinstance(error, HTTPException):
        raise error
    # FastAPI says 400 of whatever went wrong while it read the body.
    if isinstance(error.__cause__, ForetellError):
        return problem_response(request, error.__cause__)
    if isinstance(error.__cause__, ClientDisconnect):
        return problem_response(request, CallerGone())
    slug, detail = _words_of(error.status_code)
    title = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(request.scope)) or headers["Allow"]
    problem = Problem(error.status_code, slug, title, detail, headers=headers)
    return _render(request, problem)


def _methods_at(scope: Scope) -> list[str]:
    """What the address takes. Each of its methods is a route of its own, and routing
    knows those of the one that it refused with."""
    routes = list(iter_route_contexts(scope["app"].routes))
    refused = scope.get("route")
    path = next((r.path_format for r in routes if r.original_route is refused), None)
    return sorted({m for r in routes if r.path_format == path for m in r.methods or ()})


async def on_validation_error(request: Request, error: Exception) -> Response:
    """FastAPI's validation errors, without the offending values."""
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [field_error_of(item) for item in error.errors()[:MAX_FIELD_ERRORS]]
    names = ", ".join(f.pointer for f in fields[:3]) + (
        ", …" if len(fields) > 3 else ""
    )
    problem = Problem(422, "invalid", "Invalid request", f"Wrong: {names}.", fields)
    return _render(request, problem)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: a 500 that says nothing but the request id."""
    log.error("http.unexpected_error", path=request.scope["path"], exc_info=error)
    detail = "Something went wrong on the server. The request id finds it in the log."
    return _render(request, Problem(500, "internal", "Internal error", detail))


async def on_disconnect(request: Request, error: Exception) -> Response:
    """The body broke off; nobody hears the answer, and it is no fault of ours."""
    return problem_response(request, CallerGone())


def field_error_of(item: Mapping[str, Any]) -> FieldError:
    """One entry of Pydantic's error list as a JSON pointer and words."""
    place, *parts = item["loc"] or ("body",)
    escaped = [str(p).replace("~", "~0").replace("/", "~1") for p in parts]
    if item["type"] == "json_invalid":
        return FieldError("", "The body is not JSON.", "json_invalid")
    prefix = "" if place == "body" else f"/{place}"
    pointer = prefix + "".join(f"/{p}" for p in escaped)
    message = str(item["msg"]).removeprefix("Value error, ")
    return FieldError(pointer, message, str(item["type"]))


def _words_of(status: int) -> tuple[str, str]:
    known = {
        400: (
            "bad-request",
            "The body could not be read: not UTF-8, or nested too deep.",
        ),
        404: ("not-found", "There is nothing at this address."),
        405: ("method-not-allowed", "This address does not take that method."),
        413: ("too-large", "The body is larger than this address takes."),
        415: ("unsupported-format", "This address does not read that content type."),
    }
    return known.get(status, ("http-error", HTTPStatus(status).phrase + "."))


def install_handlers(app: FastAPI) -> None:
    """Make every refusal of `app` a problem document."""
    app.add_exception_handler(ForetellError, on_foretell_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(Exception, on_unexpected)
