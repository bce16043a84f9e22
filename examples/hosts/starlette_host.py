"""A Starlette application with Foretell below /ft: `uvicorn hosts.starlette_host:host`.

Starlette's own middleware finds the user, here by HTTP Basic, for the host's routes and
for Foretell alike.
"""

import base64
import binascii

from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    SimpleUser,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from foretell import create_app
from foretell.mount import HostUser, mount_in_starlette
from hosts.people import checked


class Basic(AuthenticationBackend):
    """`Authorization: Basic …`; nobody where it does not hold."""

    async def authenticate(
        self, conn: HTTPConnection
    ) -> tuple[AuthCredentials, BaseUser] | None:
        scheme, _, sent = conn.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(sent).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        email = checked(name, password)
        return (AuthCredentials(["known"]), SimpleUser(email)) if email else None


async def hello(request: Request) -> Response:
    """What the host does itself."""
    return PlainTextResponse(f"This is Starlette, {request.user.display_name}.")


async def known_user(connection: HTTPConnection) -> HostUser | None:
    """Whom the middleware found."""
    user = connection.user
    if not user.is_authenticated:
        return None
    return HostUser(id=f"basic:{user.username}", email=user.username)


host = Starlette(
    routes=[Route("/hello", hello)],
    middleware=[Middleware(AuthenticationMiddleware, backend=Basic())],
)
mount_in_starlette(host, create_app(), "/ft", users=known_user)
