"""Routes that say who may call them, and check it before the body is read.

FastAPI parses the body before it runs dependencies, so a dependency cannot
refuse a stranger's 5 GiB upload. `ScopedRoute` therefore authenticates in the
route handler, in front of FastAPI's own. A route that declares neither
`requires(...)` nor `public` fails when it is registered: deny by default.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from typing import Any

from fastapi import APIRouter, params
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message, Receive, Scope

from foretell.core.principal import Principal
from foretell.errors import Forbidden, TooLarge, Unauthenticated, Unavailable
from foretell.http import idempotency, waiting
from foretell.http.caller_address import caller_address
from foretell.http.dependencies import get_current_user
from foretell.http.state import state

DEFAULT_BODY_BYTES = 1024 * 1024
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class RouteWithoutScope(RuntimeError):
    """A route was declared without `requires(...)` or `public`."""


class _Declaration:
    """A dependency that only declares something about its route."""

    async def __call__(self) -> None:
        return None


class Requirement(_Declaration):
    """What a caller needs; made by `requires(...)` and `public`."""

    def __init__(self, scopes: tuple[str, ...], *, is_public: bool) -> None:
        self.scopes = scopes
        self.is_public = is_public


class _BodyLimit(_Declaration):
    def __init__(
        self, limit: int | str, document: dict[str, Any] | None = None
    ) -> None:
        self.limit = limit
        self.document = document or {}


class _Patience(_Declaration):
    def __init__(self, seconds: int) -> None:
        self.seconds = seconds


def requires(*scopes: str) -> params.Depends:
    """Declare that a caller needs all `scopes` (any signed-in caller without).

    Args:
        scopes: Of `Scope`, or by text: `"orders:refund"` of an extension.
    """
    return params.Depends(Requirement(scopes, is_public=False))


public = params.Depends(Requirement((), is_public=True))
"""Declares that anybody may call the route."""


def body_limit(limit: int | str) -> params.Depends:
    """Declare the largest body in bytes, or the setting that holds it."""
    return params.Depends(_BodyLimit(limit))


takes_file = params.Depends(
    _BodyLimit(
        "max_upload_bytes",
        {
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "required": ["file"],
                            "properties": {
                                "file": {"type": "string", "format": "binary"}
                            },
                        }
                    },
                    "application/octet-stream": {
                        "schema": {"type": "string", "format": "binary"}
                    },
                },
            }
        },
    )
)
"""Declares that the body is a file, in a form or alone; `MAX_UPLOAD_BYTES` holds. The
route gets it as `TableFile`."""


def answers_finished(seconds: int) -> params.Depends:
    """Declare that the route waits for its job, at most so long, where the caller
    does not say `Prefer: wait`.

    The route answers 202 with `Location` of the job, as `accepted` does; the caller
    gets, with 200, what a GET of the job's target gives.
    """
    return params.Depends(_Patience(seconds))


def router(prefix: str = "", *, tags: Sequence[str] = ()) -> APIRouter:
    """A router whose routes check scopes before they read bodies."""
    return AreaRouter(prefix=prefix, tags=list(tags), route_class=ScopedRoute)


class AreaRouter(APIRouter):
    """Looks at its routes only for a path that one of them can have.

    FastAPI tries every route of every router in turn, which for the last of some
    hundred takes longer than many an answer.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path: str = scope["path"]
        if not any(beginning in path for beginning in self._beginnings):
            return Match.NONE, {}
        return super().matches(scope)

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        # Asked for when all routes are there. What the router is included under goes
        # before each path, so a beginning may stand anywhere.
        paths = [getattr(route, "path", "") for route in self.routes]
        return frozenset(path.partition("{")[0] for path in paths)


class ScopedRoute(APIRoute):
    """See the module's head."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        declared = [d.dependency for d in kwargs.get("dependencies") or ()]
        self.requirement = self._requirement_of(
            path, [d for d in declared if isinstance(d, Requirement)]
        )
        limits = [d.limit for d in declared if isinstance(d, _BodyLimit)]
        self.body_limit: int | str = limits[0] if limits else DEFAULT_BODY_BYTES
        self.patience = sum(d.seconds for d in declared if isinstance(d, _Patience))
        documents = [d.document for d in declared if isinstance(d, _BodyLimit)]
        kwargs["openapi_extra"] = (
            security_of(self.requirement)
            | (documents[0] if documents else {})
            | (kwargs.get("openapi_extra") or {})
        )
        super().__init__(path, endpoint, **kwargs)

    @staticmethod
    def _requirement_of(path: str, declared: Sequence[Requirement]) -> Requirement:
        if len(declared) != 1:
            raise RouteWithoutScope(
                f"{path}: declare dependencies=[requires(...)] or [public]"
            )
        return declared[0]

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def inner(request: Request) -> Response:
            # FastAPI closes `function` dependencies, and so commits, only after the
            # whole handler; what follows here must see the commit and hold nothing.
            async with AsyncExitStack() as stack:
                request.scope["fastapi_function_astack"] = stack
                return await answer(request)

        async def handle(request: Request) -> Response:
            await self.admit(request)
            limit_body(request, self._limit_of(request))
            if request.method != "POST":
                return await inner(request)
            answered = await idempotency.once(request, inner)
            return await waiting.finish(request, answered, patience=self.patience)

        return handle

    async def admit(self, request: Request) -> None:
        """Let the request in or refuse it; runs before the body is read."""
        if self.requirement.is_public:
            await _authenticate_if_possible(request)
            return
        principal = await authenticate(request)
        if principal is None:
            raise Unauthenticated("Sign in, or send an API key as a Bearer token.")
        if requires not in request.app.dependency_overrides:
            demand_scopes(principal, self.requirement.scopes)

    def _limit_of(self, request: Request) -> int:
        if isinstance(self.body_limit, int):
            return self.body_limit
        return int(getattr(state(request).settings, self.body_limit))


async def authenticate(request: Request) -> Principal | None:
    """Find the caller once per request and keep it in the request's state."""
    if not hasattr(request.state, "principal"):
        request.state.principal = await _find_principal(request)
    found: Principal | None = request.state.principal
    return found


async def _authenticate_if_possible(request: Request) -> None:
    # A browser with an expired cookie must still be able to sign in, and a probe with
    # a key must hear of health while the database is away.
    try:
        await authenticate(request)
    except (Unauthenticated, Forbidden, Unavailable):
        request.state.principal = None


async def _find_principal(request: Request) -> Principal | None:
    instead = request.app.dependency_overrides.get(get_current_user)
    if instead is not None:  # a test that says who is calling
        given: Principal | None = instead()
        return given
    request.app.state.token_schemes.translate(request.scope)
    return await state(request).authenticator.authenticate(
        dict(request.scope["headers"]),
        is_safe_method=request.method in _SAFE_METHODS,
        address=caller_address(request.scope),
    )


def demand_scopes(principal: Principal, scopes: Sequence[str]) -> None:
    """Refuse a caller who lacks one of `scopes` altogether.

    A scope narrowed to one object passes here; the service checks the object.
    """
    for scope in scopes:
        if not principal.may_some(scope):
            raise ScopeMissing(scope)


class ScopeMissing(Forbidden):
    """The credential lacks the scope that the route needs."""

    slug = "scope-missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope {scope}.", scope=str(scope))
        self.scope = scope

    @property
    def headers(self) -> dict[str, str]:
        challenge = 'Bearer realm="foretell", error="insufficient_scope"'
        return {"WWW-Authenticate": f'{challenge}, scope="{self.scope}"'}


def limit_body(request: Request, limit: int) -> None:
    """Refuse a body over `limit` bytes, announced or counted."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _body_too_large(limit)
    request._receive = _counting(request.receive, limit)


def _counting(receive: Receive, limit: int) -> Callable[[], Awaitable[Message]]:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _body_too_large(limit)
        return message

    return counted


def _body_too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is over {limit:,} bytes.", limit=limit)


def security_of(requirement: Requirement) -> dict[str, Any]:
    if requirement.is_public:
        return {"security": []}
    scopes = [str(scope) for scope in requirement.scopes]
    return {"security": [{"oauth2": scopes}, {"bearer": scopes}, {"session": []}]}
