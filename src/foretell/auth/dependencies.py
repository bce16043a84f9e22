"""Builds the services of auth for one request."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from foretell.auth.audit import Audit, Origin
from foretell.auth.identity import Identity, Services
from foretell.auth.service import Accounts
from foretell.auth.tables import User
from foretell.core.principal import Principal
from foretell.http.caller_address import caller_address
from foretell.http.dependencies import Session
from foretell.http.state import state

Departures = Callable[..., Awaitable[None]]
"""Logs that something leaves by a request that only reads: `(action, by, **what)`."""


def origin_of(request: Request) -> Origin:
    """Where the request came from; the edge has dealt with proxies before."""
    return Origin(
        address=caller_address(request.scope),
        user_agent=request.headers.get("user-agent", ""),
        request_id=str(request.scope.get("state", {}).get("request_id", "")),
    )


def services_of(request: Request, session: AsyncSession) -> Services:
    """Accounts, keys, audit and the rest in the request's own transaction."""
    identity = state(request).port(Identity)
    return identity.services(session, origin_of(request))


def caller_of(request: Request) -> Principal | None:
    """The caller of a public route, if there is one."""
    caller: Principal | None = getattr(request.state, "principal", None)
    return caller


def etag_of(user: User) -> str:
    """The state of an account, for `If-Match`."""
    return f'"{user.revision}"'


def revision_of(if_match: str | None) -> int | None:
    """The revision that `If-Match` names; 0, which no account has, for any other
    text; `None` when nothing in particular is asked for."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 19 else 0


def own_path(request: Request, path: str) -> str:
    """`path` with the prefix under which the application is mounted."""
    return str(request.scope.get("root_path", "")) + path


async def get_identity(request: Request) -> Identity:
    return state(request).port(Identity)


async def get_services(request: Request, session: Session) -> Services:
    return services_of(request, session)


async def get_audit(request: Request, session: Session) -> Audit:
    return services_of(request, session).audit


async def get_departures(request: Request) -> Departures:
    identity, origin = state(request).port(Identity), origin_of(request)

    async def note(action: str, by: Principal, **what: Any) -> None:
        await identity.record(action, by, origin, **what)

    return note


async def get_caller(request: Request) -> Principal | None:
    return caller_of(request)


async def get_users(request: Request, session: Session) -> Accounts:
    """Accounts in the request's own transaction; asks for no rights."""
    return services_of(request, session).accounts


IdentityOf = Annotated[Identity, Depends(get_identity)]
AuthServices = Annotated[Services, Depends(get_services)]
AuditLog = Annotated[Audit, Depends(get_audit)]
Users = Annotated[Accounts, Depends(get_users)]
DepartureLog = Annotated[Departures, Depends(get_departures)]
MaybeUser = Annotated[Principal | None, Depends(get_caller)]
