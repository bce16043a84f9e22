"""Builds the connections service for a unit of work, in requests and jobs alike."""

from collections.abc import Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.audit import Audit
from foretell.auth.seal import Seal
from foretell.connections.addresses import allowed_addresses
from foretell.connections.outside import Outside
from foretell.connections.service import ConnectionsService, People
from foretell.connections.store import ConnectionStore
from foretell.core.connectors import Connector
from foretell.core.parts import Parts
from foretell.core.secret import load_secrets


def provide_connections(
    parts: Parts, own: Mapping[str, Callable[[], Connector]]
) -> None:
    """Give `parts` the way out."""
    settings = parts.settings
    parts.provide(
        Outside(
            Seal(load_secrets(settings), b"connections"),
            allowed_addresses(settings),
            settings.connection_files or settings.data_dir / "databases",
            own,
            settings.connection_timeout,
        )
    )


def connections_service(
    parts: Parts,
    session: AsyncSession,
    audit: Audit | None = None,
    people: People | None = None,
) -> ConnectionsService:
    """The service whose statements run in `session`."""
    return ConnectionsService(
        ConnectionStore(session),
        parts.port(Outside),
        parts.clock,
        parts.cursors,
        people=people,
        audit=audit,
    )
