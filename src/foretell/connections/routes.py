"""Connections over HTTP."""

from typing import Annotated

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from foretell.connections.dependencies import ConnectionName, Connections, ProbeDep
from foretell.connections.schemas import (
    ConnectionChange,
    ConnectionRead,
    ConnectionTest,
    ConnectionWrite,
    TableName,
)
from foretell.connections.service import etag_of
from foretell.core.pagination import Page
from foretell.core.principal import Scope
from foretell.http.dependencies import CurrentUser, Cursor, ObjectLimit
from foretell.http.listing import page_response
from foretell.http.routing import requires, router
from foretell.http.schemas import ListOf

routes = router("/api/connections", tags=["connections"])
# An editor has no connections:read, so whoever may write may look.
_WRITES = [requires(Scope.CONNECTIONS_WRITE)]


@routes.get("", response_model=ListOf[ConnectionRead], dependencies=_WRITES)
async def list_connections(
    request: Request,
    response: Response,
    user: CurrentUser,
    connections: Connections,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[ConnectionRead]:
    """List the connections that you may see, by name. Secrets never come out."""
    found = await connections.list_page(user, cursor=cursor, limit=limit)
    items = [ConnectionRead.of(row) for row in found.items]
    return page_response(request, response, Page(items, found.next))


@routes.get("/{name}", response_model=ConnectionRead, dependencies=_WRITES)
async def get_connection(
    name: ConnectionName,
    response: Response,
    user: CurrentUser,
    connections: Connections,
) -> ConnectionRead:
    """One connection, without its secret."""
    found = await connections.get(user, name)
    response.headers["ETag"] = etag_of(found)
    return ConnectionRead.of(found)


@routes.put(
    "/{name}",
    response_model=ConnectionRead,
    responses={201: {"model": ConnectionRead, "description": "It is new."}},
    dependencies=_WRITES,
)
async def put_connection(
    name: ConnectionName,
    body: ConnectionWrite,
    response: Response,
    user: CurrentUser,
    connections: Connections,
) -> ConnectionRead:
    """Make a connection, or replace what it says. Nothing is connected to yet."""
    found, is_new = await connections.put(user, name, body.said())
    response.status_code = 201 if is_new else 200
    response.headers["ETag"] = etag_of(found)
    return ConnectionRead.of(found)


@routes.patch("/{name}", response_model=ConnectionRead, dependencies=_WRITES)
async def share_connection(
    name: ConnectionName,
    body: ConnectionChange,
    response: Response,
    user: CurrentUser,
    connections: Connections,
    if_match: Annotated[str | None, Header()] = None,
) -> ConnectionRead:
    """Say who else may see and use the connection."""
    found = await connections.share(user, name, body.given(), if_match)
    response.headers["ETag"] = etag_of(found)
    return ConnectionRead.of(found)


@routes.delete("/{name}", status_code=204, dependencies=_WRITES)
async def delete_connection(
    name: ConnectionName, user: CurrentUser, connections: Connections
) -> None:
    """Forget a connection and its secret. Datasets read by it stay."""
    await connections.delete(user, name)


@routes.post("/{name}/test", response_model=ConnectionTest, dependencies=_WRITES)
async def test_connection(
    name: ConnectionName, user: CurrentUser, probe: ProbeDep
) -> ConnectionTest:
    """Connect, sign in and leave again; `ok` says whether that worked."""
    return ConnectionTest.model_validate(await probe.test(user, name))


@routes.get("/{name}/tables", response_model=ListOf[TableName], dependencies=_WRITES)
async def list_tables(
    name: ConnectionName, user: CurrentUser, probe: ProbeDep
) -> ListOf[TableName]:
    """What can be read: tables and views by name (of another schema with its name
    before a point), or collections; the first 10,000."""
    found = await probe.tables(user, name)
    return ListOf(items=[TableName(name=table) for table in found[:10_000]])
