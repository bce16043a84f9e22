"""FastAPI, Starlette and Django as hosts: all of them applications of ASGI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from foretell.http.edge import Edge
from foretell.mount.django import django_user
from foretell.mount.mounted import Mounted, UserHook, checked_path, running


def mount_in_starlette(
    host: Starlette, app: Edge, path: str = "/ft", *, users: UserHook | None = None
) -> Mounted:
    """Serve Foretell below `path` of a Starlette application.

    Foretell starts before the host's own lifespan and ends after it, so that the host
    may use it there. Its path goes before the routes that the host has.

    Args:
        users: Says whom the host has signed in; see `UserHook`.
    """
    path = checked_path(path)
    mounted = Mounted(app, users)
    routes: list[BaseRoute] = [
        Route(path, _to_slash, methods=["GET"], include_in_schema=False),
        Mount(path, app=mounted, name="foretell"),
    ]
    host.router.routes[:0] = routes
    _run_with(host, app)
    return mounted


def mount_in_fastapi(
    host: FastAPI, app: Edge, path: str = "/ft", *, users: UserHook | None = None
) -> Mounted:
    """Serve Foretell below `path` of a FastAPI application, as `mount_in_starlette`
    does. Each keeps its own OpenAPI document: `/openapi.json` is the host's,
    `path/openapi.json` Foretell's."""
    return mount_in_starlette(host, app, path, users=users)


def mount_in_django(
    host: ASGIApp,
    app: Edge,
    path: str = "/ft",
    *,
    users: UserHook | None = django_user,
) -> Starlette:
    """An application of both: Foretell below `path`, and Django for everything else.

    Django knows no lifespan. The application that is given back does, so serve that one
    (`application = mount_in_django(get_asgi_application(), app)`) by a server that has
    lifespans: uvicorn, hypercorn, granian. Under one that has none, such as Daphne,
    Django answers and Foretell says 503.

    Args:
        host: What `get_asgi_application()` gave.
        users: Django's signed-in users by default; `None` for Foretell's own alone.
    """
    both = Starlette(routes=[Mount("/", app=host)])
    mounted = mount_in_starlette(both, app, path, users=users)
    both.state = mounted.state
    return both


def _run_with(host: Starlette, app: Edge) -> None:
    inner = host.router.lifespan_context

    @asynccontextmanager
    async def both(starting: Any) -> AsyncIterator[Any]:
        async with running(app), inner(starting) as state:
            yield state

    host.router.lifespan_context = both


async def _to_slash(request: Request) -> Response:
    # Links of the page are relative, and would miss the last part of the path.
    return RedirectResponse(request.scope["path"] + "/", status_code=307)
