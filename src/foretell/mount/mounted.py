"""Foretell as a part of another application: what a host puts at a path."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from foretell.auth.host_users import HostUser, asking
from foretell.http.edge import Edge

UserHook = Callable[[HTTPConnection], Awaitable[HostUser | None] | HostUser | None]
"""Says whom the host has signed in. It is asked at most once in a request, when no
credential of Foretell's own counts; a plain function runs in a thread."""


class Mounted:
    """An ASGI application: Foretell, with the host's users known to it.

    Attributes:
        state: Of the application, by which `foretell serve` and its workers find it.
    """

    def __init__(self, app: Edge, users: UserHook | None) -> None:
        self._app = app
        self._users = users
        self.state: Any = app.state

    @property
    def routes(self) -> list[BaseRoute]:
        return self._app.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._users is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = asking.set(_Asked(self._users, HTTPConnection(scope)))
        try:
            await self._app(scope, receive, send)
        finally:
            asking.reset(token)


class _Asked:
    """The answer of the hook for one request."""

    def __init__(self, users: UserHook, connection: HTTPConnection) -> None:
        self._users = users
        self._connection = connection
        self._answers: list[HostUser | None] = []

    async def __call__(self) -> HostUser | None:
        if not self._answers:
            self._answers.append(await self._ask())
        return self._answers[0]

    async def _ask(self) -> HostUser | None:
        if inspect.iscoroutinefunction(self._users):
            found = await self._users(self._connection)
        else:
            found = await run_in_threadpool(self._users, self._connection)
            if inspect.isawaitable(found):
                found = await found
        if found is not None and not isinstance(found, HostUser):
            raise TypeError(
                f"the hook for users gave {type(found).__name__}, not a HostUser or None"
            )
        return found


@asynccontextmanager
async def running(app: Edge) -> AsyncIterator[None]:
    """Foretell's start and end around the block."""
    async with app.router.lifespan_context(app):
        yield


def checked_path(path: str) -> str:
    """`path` without a slash at its end.

    Raises:
        ValueError: It is no path below which something can be mounted.
    """
    found = path.rstrip("/")
    if not found.startswith("/") or "{" in found or "//" in found:
        raise ValueError(f"{path!r} is no path to mount at; say /ft, or /tools/ft")
    return found
