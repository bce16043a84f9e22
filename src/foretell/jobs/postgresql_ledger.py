"""The ledger of a worker on PostgreSQL: one statement, and so one round trip and one
commit, settles a job and takes the next."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.outages import DatabaseUnavailable, demanding_an_answer
from foretell.jobs import endings
from foretell.jobs.claims import CLAIMED, Claim, Work
from foretell.jobs.endings import Ending
from foretell.jobs.errors import JobLost
from foretell.jobs.ledger import Columns
from foretell.jobs.plans import Plans
from foretell.jobs.ports import Waiting
from foretell.jobs.prepared import Prepared

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_STATEMENT_SECONDS = 30.0


class PostgresqlLedger:
    """One connection of the database's autocommit pool, kept."""

    def __init__(self, database: Database, work: Work, clock: Clock) -> None:
        self._database = database
        self._plans = Plans(database.engine.dialect, work, clock)
        self._clock = clock
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self._known: dict[Prepared, Any] = {}
        self.woken: list[Waiting] = []

    async def is_due(self) -> bool:
        return await self._run(self._plans.due, self._plans.now()) is not None

    async def next_due(self, seconds: float) -> datetime | None:
        plan = self._plans.next_due
        row = await self._run(plan, self._plans.until(seconds))
        found: datetime | None = plan.read(row)["run_at"]
        return found

    async def claim(self) -> Claim | None:
        plan = self._plans.claim
        row = await self._run(plan, self._plans.now())
        return None if row is None else Claim(**plan.read(row))

    async def settle(
        self, claim: Claim, ending: Ending, progress: Columns | None, wants_next: bool
    ) -> Claim | None:
        names, arguments = self._plans.ended(claim, ending, progress)
        is_final = ending.state.is_final
        has_parent = is_final and claim.parent_id is not None
        plan = self._plans.settle(names, is_final, wants_next, has_parent)
        row = await self._run(plan, arguments)
        if row["ended"] == 0:
            if is_final:
                raise JobLost
            # Asked to stop while it ended: it does not go back to the queue.
            cancelled = endings.cancelled(self._clock.now())
            return await self.settle(claim, cancelled, progress, wants_next)
        if has_parent and row["woken"] is not None:
            self.woken.append(Waiting(str(claim.parent_id), row["woken"]))
        if not wants_next or row["id"] is None:
            return None
        found = plan.read(row)
        return Claim(**{name: found[name] for name in CLAIMED})

    async def _run(self, plan: Prepared, arguments: dict[str, Any]) -> Any:
        values = plan.arguments(arguments)
        async with self._connected() as driver:
            statement = self._known.get(plan)
            if statement is None:
                statement = self._known[plan] = await driver.prepare(plan.text)
            return await statement.fetchrow(*values, timeout=_STATEMENT_SECONDS)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        try:
            if self._connection is None:
                await self._connect()
            yield self._driver
        except _AWAY as error:
            await self._disconnect()
            raise DatabaseUnavailable("The database does not answer.") from error
        except BaseException:
            # Cancelled in the middle of a statement, perhaps: its state is unknown.
            await self._disconnect()
            raise

    async def _connect(self) -> None:
        with demanding_an_answer():
            connection = await self._database.reading_engine.connect()
        raw = await connection.get_raw_connection()
        self._connection, self._driver = connection, raw.driver_connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._driver, self._known = None, {}
        if connection is not None:
            await connection.invalidate()
            await connection.close()

    async def close(self) -> None:
        await self._disconnect()
