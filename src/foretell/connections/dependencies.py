"""Builds what connection routes ask for."""

from typing import Annotated

from fastapi import Depends, Path

from foretell.auth.dependencies import AuthServices
from foretell.connections.composing import connections_service
from foretell.connections.probing import Probe
from foretell.connections.service import ConnectionsService
from foretell.http.dependencies import Session, State
from foretell.http.schemas import Name


async def get_connections(
    state: State, session: Session, auth: AuthServices
) -> ConnectionsService:
    """Connections in the request's own transaction."""
    return connections_service(state, session, auth.audit, auth.accounts.resolve_people)


async def get_probe(state: State) -> Probe:
    return Probe(state)


Connections = Annotated[ConnectionsService, Depends(get_connections)]
ProbeDep = Annotated[Probe, Depends(get_probe)]
ConnectionName = Annotated[Name, Path(description="The connection's name.")]
