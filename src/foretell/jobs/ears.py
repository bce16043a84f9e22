"""What a database itself offers to be woken by."""

from collections.abc import Callable

from foretell.core.db import Database
from foretell.jobs.ports import Ear


def database_ears(database: Database, on_ring: Callable[[], None]) -> list[Ear]:
    """Ears at the database: one on PostgreSQL, none elsewhere."""
    if database.engine.dialect.driver != "asyncpg":
        return []
    from foretell.jobs.postgresql_ear import PostgresqlEar

    return [PostgresqlEar(database.engine.url, on_ring)]
