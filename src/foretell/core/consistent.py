"""Many statements that see one state of the database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.db import Database

_BEGIN: Mapping[str, str] = {
    "sqlite": "BEGIN",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "mysql": "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    "mariadb": "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
}


@asynccontextmanager
async def consistent_reading(database: Database) -> AsyncIterator[AsyncSession]:
    """A session whose statements all see what was committed when the first one ran.

    For long reads, such as a copy of a table: it blocks no writer.
    """
    async with database.reading() as session:
        # The reading connections are in autocommit, so the transaction is ours.
        await session.execute(text(_BEGIN[database.dialect]))
        try:
            yield session
        finally:
            await session.execute(text("ROLLBACK"))
