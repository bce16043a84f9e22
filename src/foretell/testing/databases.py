"""A database of its own for each test: SQLite, or a throw-away one on a server.

Foretell's own migrations run once a session, into a blank that each test gets a copy
of; those of extensions run in each test, since a test may bring its own.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from foretell.core import schema
from foretell.core.db import Database
from foretell.settings import normalise_database_url

OPTION = "--foretell-database"
VARIABLE = "TEST_DATABASE_URL"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line say on which server the tests run."""
    parser.getgroup("foretell").addoption(
        OPTION,
        metavar="URL",
        default=os.environ.get(VARIABLE),
        help="Server for throw-away databases, as postgresql://me@127.0.0.1/any; "
        f"the variable {VARIABLE} says the same. SQLite without.",
    )


@dataclass(frozen=True, slots=True)
class Blank:
    """An empty database with Foretell's own tables, to be copied.

    Attributes:
        name: The file of SQLite, or the name of the database on the server.
        server: Address of a database on the server; `None` for SQLite.
    """

    name: str
    server: str | None = None

    @contextmanager
    def copied(self, folder: Path) -> Iterator[str]:
        """The address of a copy; on a server it is dropped at the end."""
        if self.server is None:
            copy = shutil.copy(self.name, folder / "foretell.db")
            yield f"sqlite+aiosqlite:///{copy}"
            return
        with throw_away(self.server, like=self.name) as url:
            yield url


@contextmanager
def blank(server: str | None, folder: Path) -> Iterator[Blank]:
    """Make the blank of a session.

    Args:
        server: Address of any database on the server; SQLite when not given.
        folder: Where SQLite keeps its file.
    """
    if server is None:
        file = str(folder / "blank.db")
        _migrate(f"sqlite+aiosqlite:///{file}")
        yield Blank(file)
        return
    server = normalise_database_url(server)
    with throw_away(server) as url:
        _migrate(url)
        yield Blank(str(make_url(url).database), server)


@contextmanager
def throw_away(server: str, *, like: str | None = None) -> Iterator[str]:
    """The address of a new database on a server, dropped at the end of the block.

    Args:
        like: Name of a database to copy, where the server can do that.
    """
    name = f"foretell_{secrets.token_hex(6)}"
    address = make_url(server)
    is_postgresql = address.get_backend_name() == "postgresql"
    template = f" TEMPLATE {like}" if like and is_postgresql else ""
    _administer(server, f"CREATE DATABASE {name}{template}")
    try:
        yield address.set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if is_postgresql else ""
        _administer(server, f"DROP DATABASE {name}{force}")


def _migrate(url: str) -> None:
    async def run() -> None:
        database = Database(url)
        try:
            await schema.upgrade(database)
        finally:
            await database.close()

    asyncio.run(run())


def _administer(url: str, statement: str) -> None:
    """Run one statement outside a transaction."""

    async def run() -> None:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                await connection.execute(text(statement))
        finally:
            await engine.dispose()

    asyncio.run(run())
