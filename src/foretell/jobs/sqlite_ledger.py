"""The ledger of a worker on SQLite: the standard library's driver, on this thread.

A statement takes tens of microseconds and a trip to another thread costs more. It may
block this process while somebody else writes; no task runs meanwhile, and nobody
waits for a worker.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from foretell.core.clock import Clock
from foretell.core.db import Database, set_pragmas
from foretell.core.outages import DatabaseUnavailable
from foretell.jobs import endings
from foretell.jobs.claims import Claim, Work
from foretell.jobs.endings import Ending
from foretell.jobs.errors import JobLost
from foretell.jobs.ledger import Columns
from foretell.jobs.plans import Plans
from foretell.jobs.ports import Waiting
from foretell.jobs.tables import JobState


class SqliteLedger:
    """One connection, kept."""

    def __init__(self, database: Database, work: Work, clock: Clock) -> None:
        self._path = database.engine.url.database or ""
        self._plans = Plans(database.engine.dialect, work, clock)
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self.woken: list[Waiting] = []

    async def is_due(self) -> bool:
        due = self._plans.due
        with self._connected() as connection:
            arguments = due.arguments(self._plans.now())
            return bool(connection.execute(due.text, arguments).fetchall())

    async def next_due(self, seconds: float) -> datetime | None:
        plan = self._plans.next_due
        with self._connected() as connection:
            arguments = plan.arguments(self._plans.until(seconds))
            rows = connection.execute(plan.text, arguments).fetchall()
        found: datetime | None = plan.read(rows[0])["run_at"]
        return found

    async def claim(self) -> Claim | None:
        with self._connected() as connection:
            return self._claim(connection)

    async def settle(
        self, claim: Claim, ending: Ending, progress: Columns | None, wants_next: bool
    ) -> Claim | None:
        with self._connected() as connection, _transaction(connection):
            woken = self._end(connection, claim, ending, progress)
            following = self._claim(connection) if wants_next else None
        self.woken += woken
        return following

    def _claim(self, connection: sqlite3.Connection) -> Claim | None:
        plan = self._plans.claim
        found = connection.execute(plan.text, plan.arguments(self._plans.now()))
        rows = found.fetchall()
        return Claim(**plan.read(rows[0])) if rows else None

    def _end(
        self,
        connection: sqlite3.Connection,
        claim: Claim,
        ending: Ending,
        progress: Columns | None,
    ) -> list[Waiting]:
        names, arguments = self._plans.ended(claim, ending, progress)
        plan = self._plans.end(names, ending.state.is_final)
        if connection.execute(plan.text, plan.arguments(arguments)).rowcount == 0:
            if ending.state.is_final:
                raise JobLost
            # Asked to stop while it ended: it does not go back to the queue.
            cancelled = endings.cancelled(self._clock.now())
            return self._end(connection, claim, cancelled, progress)
        note = self._plans.note
        connection.execute(note.text, note.arguments(arguments))
        if claim.parent_id is None or not ending.state.is_final:
            return []
        told = self._plans.child_ended
        rows = connection.execute(told.text, told.arguments(arguments)).fetchall()
        parents = [told.read(row) for row in rows]
        queued = [one for one in parents if one["state"] == JobState.QUEUED]
        return [Waiting(one["id"], one["queue"]) for one in queued]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._path, isolation_level=None)
                set_pragmas(self._connection)
            yield self._connection
        except sqlite3.OperationalError as error:
            self._disconnect()
            raise DatabaseUnavailable("The database does not answer.") from error

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def close(self) -> None:
        self._disconnect()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
