"""What commands do on DATA_DIR and DATABASE_URL themselves, without a server.

Imported inside the commands that need it: it loads SQLAlchemy.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from foretell.auth.identity import Identity
from foretell.auth.service import cli_principal
from foretell.auth.tables import User
from foretell.composition import open_identity
from foretell.core import schema
from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.principal import Principal, Role
from foretell.core.secret import load_secret
from foretell.extension.discovery import found
from foretell.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class LocalServer:
    """The parts of a server that commands use."""

    settings: Settings
    database: Database
    identity: Identity

    @property
    def operator(self) -> Principal:
        """Whoever has the data directory."""
        return cli_principal(self.identity.options.permissions)

    def principal_of(self, user: User) -> Principal:
        """A user as the caller of a command on the server's own machine."""
        role = Role(user.role)
        scopes = self.identity.options.permissions.scopes_of(role)
        return Principal(user.id, user.email, role, scopes, "cli")


@asynccontextmanager
async def opened(settings: Settings | None = None) -> AsyncIterator[LocalServer]:
    """Open the database, its schema brought up to date, and the services of auth."""
    settings = settings or load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    secret = load_secret(settings)
    database = Database(settings.database_address, pool_size=2)
    extensions = found(settings)
    identity = open_identity(
        database, settings, SystemClock(), secret, extensions.permissions()
    )
    try:
        await schema.upgrade(database, branches=extensions.branches())
        yield LocalServer(settings, database, identity)
    finally:
        await identity.close()
        await database.close()
