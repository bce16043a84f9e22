"""Puts extensions into an application: their routes, checked like Foretell's own.

The routes that a team declares are FastAPI's, which run nothing before the body is
read and know no scopes. Here each is made again as a `ScopedRoute`, at its full path,
with whatever its routers declared, so that an own route answers, refuses and is
documented like a built-in one.
"""

import inspect
from collections.abc import Iterator, Sequence

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from foretell.core.permissions import Permissions
from foretell.extension.active import Extensions
from foretell.extension.claims import Claims, check_prefix
from foretell.extension.definition import Extension
from foretell.extension.errors import ExtensionInvalid
from foretell.http.routing import Requirement, ScopedRoute, security_of

_BEARER = "bearer"
_COPIED = frozenset(inspect.signature(APIRoute.__init__).parameters) - {
    *("self", "path", "endpoint"),
    "form_limits",  # of the route itself: inclusion does not change it
}


class ExtensionRoute(ScopedRoute):
    """A route for any signed-in caller when it declares nothing else; the scopes of
    its routers and its own add up."""

    @staticmethod
    def _requirement_of(path: str, declared: Sequence[Requirement]) -> Requirement:
        if any(d.is_public for d in declared):
            if any(not d.is_public for d in declared):
                raise ExtensionInvalid(
                    f"{path} is declared public and to require scopes; decide."
                )
            return Requirement((), is_public=True)
        scopes = dict.fromkeys(scope for d in declared for scope in d.scopes)
        return Requirement(tuple(scopes), is_public=False)


def mount(app: FastAPI, extensions: Extensions, permissions: Permissions) -> None:
    """Add the routes of all extensions to `app`, which has its own already.

    Raises:
        PathTaken: A route would answer where another part does.
        ExtensionInvalid: A route needs a scope that nobody declares, or cannot be
            checked before it runs.
    """
    claims = Claims()
    for context in iter_route_contexts(app.routes):
        claims.claim(str(context.path), "Foretell")
    for extension in extensions:
        who = f"the extension {extension.name!r}"
        check_prefix(extension.prefix, who)
        for router in _routers(extension):
            for context in iter_route_contexts(router.routes):
                claims.claim(str(context.path), who)
                _demand_known(context, permissions, who)
            app.include_router(router)
    for extension in extensions:
        _speak_its_dialect(app, extension, claims)


def _routers(extension: Extension) -> Iterator[APIRouter]:
    # `router` is cached in the instance: one that was never asked for has no routes.
    if "router" in vars(extension):
        yield _checked_router(extension)
    if extension.resources:
        from foretell.resources.routes import resource_router

        for description in extension.resources:
            yield resource_router(description)


def _checked_router(extension: Extension) -> APIRouter:
    router = APIRouter()
    for context in iter_route_contexts(extension.router.routes):
        route = context.original_route
        if not isinstance(route, APIRoute):
            raise ExtensionInvalid(
                f"The extension {extension.name!r} has a {type(route).__name__} at "
                f"{context.path!r}: only HTTP routes can be checked before they run."
            )
        router.routes.append(_remade(context, route, extension.prefix))
    return router


def _remade(context: RouteContext, route: APIRoute, prefix: str) -> ScopedRoute:
    options = {name: getattr(context, name) for name in _COPIED}
    if isinstance(route, ScopedRoute):
        extra = dict(options["openapi_extra"] or {})
        options["openapi_extra"] = {
            key: value
            for key, value in extra.items()
            if security_of(route.requirement).get(key) != value
        }
    path = f"{prefix}{context.path}"
    return _checked_class(type(route))(path, route.endpoint, **options)


def _checked_class(kind: type[APIRoute]) -> type[ScopedRoute]:
    """`ExtensionRoute`, with what a team's own route class does behind the check."""
    if kind in (APIRoute, ScopedRoute):
        return ExtensionRoute
    return type(kind.__name__, (ExtensionRoute, kind), {})


def _demand_known(context: RouteContext, permissions: Permissions, who: str) -> None:
    route = context.original_route
    scopes = route.requirement.scopes if isinstance(route, ScopedRoute) else ()
    unknown = permissions.unknown(map(str, scopes))
    if unknown:
        raise ExtensionInvalid(
            f"{context.path!r} of {who} requires the scope {unknown[0]!r}, which "
            "nobody declares: add it by extension.scope(...)."
        )


def _speak_its_dialect(app: FastAPI, extension: Extension, claims: Claims) -> None:
    has_scheme = extension.token_scheme.lower() != _BEARER
    if not has_scheme and extension.problem_renderer is None:
        return
    claims.claim_below(extension.prefix, f"the extension {extension.name!r}")
    if has_scheme:
        app.state.token_schemes.register(extension.prefix, extension.token_scheme)
    if extension.problem_renderer is not None:
        app.state.renderers.register(extension.prefix, extension.problem_renderer)
