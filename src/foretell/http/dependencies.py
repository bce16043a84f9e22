"""What a route may ask for by name. Each is replaced in a test by one line."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from foretell.core.pagination import DEFAULT_LIMIT, MAX_OBJECTS
from foretell.core.principal import Principal
from foretell.errors import Unauthenticated
from foretell.http import idempotency
from foretell.http.state import AppState, state
from foretell.settings import Settings as SettingsType

_READS = frozenset({"GET", "HEAD"})


async def get_session(
    request: Request, response: Response
) -> AsyncIterator[AsyncSession]:
    """One transaction for the request, committed before the response goes out."""
    database = state(request).database
    if request.method in _READS:
        async with database.reading() as session:
            yield session
        return
    async with database.writing() as session:
        yield session
        await idempotency.remember(request, response, session)


async def get_current_user(request: Request) -> Principal:
    """The caller, found by the route before the body was read."""
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:
        raise Unauthenticated("Sign in, or send an API key as a Bearer token.")
    return principal


async def get_state(request: Request) -> AppState:
    """The parts of the application, for the dependencies of areas."""
    return state(request)


async def get_settings(request: Request) -> SettingsType:
    return state(request).settings


# With the default scope FastAPI would send the response before the commit, and a
# failed commit would reach the caller as a success.
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
CurrentUser = Annotated[Principal, Depends(get_current_user)]
State = Annotated[AppState, Depends(get_state)]
Settings = Annotated[SettingsType, Depends(get_settings)]
ObjectLimit = Annotated[
    int, Query(alias="limit", ge=1, le=MAX_OBJECTS, description="Objects per page.")
]
Cursor = Annotated[
    str | None,
    Query(alias="cursor", max_length=4096, description="`next` of the page before."),
]
DEFAULT_OBJECTS = DEFAULT_LIMIT
