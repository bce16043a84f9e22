"""Flask as a host: an application of WSGI, which knows neither lifespan nor loop.

A request for Foretell goes through a2wsgi to a loop on a thread of its own. It costs
the server one of its threads until the answer is out, so streams of events and slow
downloads want a server with many.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from foretell.auth.host_users import HostUser
from foretell.errors import ForetellError, Invalid, problem_members
from foretell.http.edge import Edge
from foretell.http.problems import MEDIA_TYPE
from foretell.mount.mounted import Mounted, checked_path
from foretell.mount.own_loop import OwnLoop

if TYPE_CHECKING:
    from a2wsgi import ASGIMiddleware
    from flask import Flask

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
_ENVIRON, _TASK = "wsgi_environ", "foretell.task"


class LengthRequired(Invalid):
    """A body without a length, which WSGI has no way to receive."""

    slug = "length-required"
    title = "Length required"
    status = 411

    def __init__(self) -> None:
        super().__init__(
            "Send the body with Content-Length; this host takes no chunks."
        )


class AddressUnreadable(Invalid):
    """A path or query of bytes that are no text."""

    slug = "address-unreadable"

    def __init__(self) -> None:
        super().__init__("The address is not UTF-8, percent-encoded.")


def mount_in_flask(
    host: "Flask",
    app: Edge,
    path: str = "/ft",
    *,
    users: Callable[[], HostUser | None] | None = None,
) -> "FlaskMount":
    """Serve Foretell below `path` of a Flask application; needs the extra `flask`.

    Foretell starts at the first request that the process gets, for whichever of the
    two, and ends with the process. A server that calls something when a process of its
    is ready and when it ends may call `begin` and `end` of what is given back.

    Args:
        users: Says whom the host has signed in. Called inside of Flask's request
            context, in a thread, so that `flask.session` and `current_user` work.
    """
    mount = FlaskMount(host, app, checked_path(path), users)
    host.wsgi_app = mount  # type: ignore[method-assign]
    return mount


class FlaskMount:
    """A WSGI application: Foretell below a path, Flask for everything else."""

    def __init__(
        self,
        host: "Flask",
        app: Edge,
        path: str,
        users: Callable[[], HostUser | None] | None,
    ) -> None:
        self._host: WsgiApp = host.wsgi_app
        self._path = path
        hook = None if users is None else _hook_in(host, users)
        self._mounted = Mounted(app, hook)
        self._own = OwnLoop(app)
        self.begin, self.end = self._own.begin, self._own.end

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        self._own.begin()
        path: str = environ.get("PATH_INFO", "")
        if path == self._path:
            return self._to_slash(environ, start_response)
        if not path.startswith(self._path + "/"):
            return self._host(environ, start_response)
        try:
            inner = self._environ_below(environ)
            middleware = _middleware(self._serve, self._own.loop())
        except ForetellError as error:
            return _refused(error, start_response)
        return _chunks(middleware, inner, start_response)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_ENVIRON][_TASK] = asyncio.current_task()
        await self._mounted(scope, receive, send)

    def _environ_below(self, environ: Environ) -> Environ:
        if "HTTP_TRANSFER_ENCODING" in environ and not environ.get("CONTENT_LENGTH"):
            raise LengthRequired
        script, path = environ.get("SCRIPT_NAME", ""), environ["PATH_INFO"]
        try:
            (script + path).encode("latin-1").decode("utf-8")
            environ.get("QUERY_STRING", "").encode("ascii")
        except UnicodeError:
            raise AddressUnreadable from None
        below = path.removeprefix(self._path)
        return {**environ, "SCRIPT_NAME": script + self._path, "PATH_INFO": below}

    def _to_slash(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        location = environ.get("SCRIPT_NAME", "") + self._path + "/"
        start_response(
            "307 Temporary Redirect", [("Location", location), ("Content-Length", "0")]
        )
        return [b""]


def _hook_in(
    host: "Flask", users: Callable[[], HostUser | None]
) -> Callable[[HTTPConnection], HostUser | None]:
    def hook(connection: HTTPConnection) -> HostUser | None:
        with host.request_context(connection.scope[_ENVIRON]):
            return users()

    return hook


def _middleware(serve: Any, loop: asyncio.AbstractEventLoop) -> "ASGIMiddleware":
    try:
        from a2wsgi import ASGIMiddleware
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "Flask as a host needs a2wsgi: pip install 'foretell[flask]'"
        ) from error
    return ASGIMiddleware(serve, loop=loop)


def _chunks(
    middleware: "ASGIMiddleware", environ: Environ, start_response: StartResponse
) -> Iterator[bytes]:
    """The answer; whoever goes away ends the request."""
    try:
        yield from middleware(environ, start_response)  # type: ignore[arg-type]
    finally:
        # a2wsgi would leave it waiting for ever for the rest to be taken.
        task: asyncio.Task[None] | None = environ.get(_TASK)
        if task is not None and not task.done():
            task.get_loop().call_soon_threadsafe(task.cancel)


def _refused(error: ForetellError, start_response: StartResponse) -> Iterable[bytes]:
    body = orjson.dumps(problem_members(error))
    phrase = HTTPStatus(error.status).phrase
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body))}
    start_response(
        f"{error.status} {phrase}", [*headers.items(), *error.headers.items()]
    )
    return [body]
