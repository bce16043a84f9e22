"""Picks the ledger of a worker."""

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.jobs.claims import Work
from foretell.jobs.ledger import Ledger, SessionLedger


def open_ledger(database: Database, work: Work, clock: Clock) -> Ledger:
    """The fastest ledger for the database; connects when it is first used."""
    dialect = database.engine.dialect
    if dialect.driver == "aiosqlite":
        from foretell.jobs.sqlite_ledger import SqliteLedger

        return SqliteLedger(database, work, clock)
    if dialect.driver == "asyncpg":
        from foretell.jobs.postgresql_ledger import PostgresqlLedger

        return PostgresqlLedger(database, work, clock)
    return SessionLedger(database, work, clock)
