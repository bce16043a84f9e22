"""Throw-away databases: SQLite always, servers where they answer on loopback.

In CI a missing server fails the test; elsewhere it is skipped, loudly.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

SERVERS = {
    "postgresql": os.environ.get(
        "TEST_POSTGRESQL_URL", "postgresql+asyncpg://root@127.0.0.1:5432/test"
    ),
    "mysql": os.environ.get(
        "TEST_MYSQL_URL", "mysql+asyncmy://root@127.0.0.1:3306/test?charset=utf8mb4"
    ),
}
KINDS = ("sqlite", *SERVERS)


@contextmanager
def throw_away(kind: str) -> Iterator[str]:
    """The URL of an empty database on a server, dropped at the end of the block."""
    server = SERVERS[kind]
    name = f"foretell_{secrets.token_hex(6)}"
    try:
        administer(server, f"CREATE DATABASE {name}")
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no {kind} server on loopback: {error}")
    base, _, rest = server.rpartition("/")
    query = "?" + rest.partition("?")[2] if "?" in rest else ""
    yield f"{base}/{name}{query}"
    force = " WITH (FORCE)" if kind == "postgresql" else ""
    administer(server, f"DROP DATABASE {name}{force}")


def administer(url: str, statement: str) -> None:
    """Run one statement outside a transaction, from a test without a loop."""

    async def run() -> None:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                await connection.execute(text(statement))
        finally:
            await engine.dispose()

    asyncio.run(run())
