"""A FastAPI application with Foretell below /ft: `uvicorn hosts.fastapi_host:host`.

Its callers have tokens of its own, which it signs with HOST_SECRET. Foretell takes them
too.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from fastapi import FastAPI, Form, HTTPException
from starlette.requests import HTTPConnection

from foretell import create_app
from foretell.mount import HostUser, mount_in_fastapi
from hosts.people import checked

AUDIENCE = "shop"

host = FastAPI(title="Shop")


@host.post("/sign-in")
def sign_in(name: Annotated[str, Form()], password: Annotated[str, Form()]) -> str:
    """A token of the shop."""
    email = checked(name, password)
    if email is None:
        raise HTTPException(401)
    ends = datetime.now(UTC) + timedelta(minutes=10)
    claims = {"sub": email, "aud": AUDIENCE, "exp": ends}
    return jwt.encode(claims, os.environ["HOST_SECRET"], algorithm="HS256")


@host.get("/hello")
def hello() -> str:
    """What the shop does itself."""
    return "This is FastAPI."


def shop_user(connection: HTTPConnection) -> HostUser | None:
    """Whoever has a token of the shop."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        claims = jwt.decode(
            token,
            os.environ["HOST_SECRET"],
            algorithms=["HS256"],
            audience=AUDIENCE,
            options={"require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError:
        return None
    return HostUser(id=f"shop:{claims['sub']}", email=claims["sub"])


mount_in_fastapi(host, create_app(), "/ft", users=shop_user)
