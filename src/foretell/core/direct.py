"""asyncpg without SQLAlchemy: connections for single statements in autocommit.

SQLAlchemy's adapter of asyncpg, its pool and its transaction cost more than most
statements (docs/explanation/resources.md). Here one statement is one round trip: no
BEGIN, no reset between two requests, since nothing ever sets session state, and the
driver's own cache of prepared statements, which it renews when a migration has
changed a table.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from sqlalchemy import URL

from foretell.core.gate import Gate
from foretell.core.outages import DatabaseUnavailable, is_away, is_cut

Observe = Callable[[str, Sequence[Any], float, int | None], None]

IDLE_SECONDS = 1.0
STATEMENTS = 500
"""Prepared statements that each connection keeps."""
# What SQLAlchemy's adapter understands and the driver does not.
_NOT_OF_THE_DRIVER = (
    "async_creator_fn",
    "async_fallback",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
)

_NO_ANSWER = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


def driver_options(url: URL) -> dict[str, Any]:
    """What `asyncpg.connect` takes for a URL of SQLAlchemy's."""
    dialect: Any = url.get_dialect()()
    _, options = dialect.create_connect_args(url)
    return {k: v for k, v in options.items() if k not in _NOT_OF_THE_DRIVER}


class DirectPool:
    """Up to `size` connections to a PostgreSQL database, opened when first needed.

    Args:
        url: As for SQLAlchemy; query parameters go to asyncpg.
        wait_seconds: Longest wait for a free connection.
        observe: Called after each statement with its text, arguments, seconds and
            number of rows.

    Attributes:
        gate: The queue in front of the connections.
    """

    def __init__(
        self,
        url: URL,
        *,
        size: int,
        wait_seconds: float,
        observe: Observe | None = None,
    ) -> None:
        self._options = driver_options(url)
        self.observe = observe
        self.gate = Gate(size, wait_seconds=wait_seconds)
        self._idle: deque[tuple[asyncpg.Connection, float]] = deque()
        self._is_closed = False

    async def read(self, statement: str, arguments: Sequence[Any]) -> list[Any]:
        """The rows of a statement that changes nothing.

        Repeated once, on a new connection, when the server ends the first.

        Raises:
            DatabaseUnavailable: The database does not answer, or all connections stay
                in use.
            asyncpg.PostgresError, asyncpg.DataError: The statement failed.
        """
        try:
            return await self._run(statement, arguments, is_write=False)
        except _Cut:
            self._forget_idle()
        try:
            return await self._run(statement, arguments, is_write=False)
        except _Cut as error:
            raise DatabaseUnavailable("The database does not answer.") from error

    async def write(self, statement: str, arguments: Sequence[Any]) -> list[Any]:
        """The rows that a statement gives back which changes something; it is its own
        transaction and is sent once.

        Raises:
            As `read`; after `DatabaseUnavailable` it may have been carried out.
        """
        try:
            return await self._run(statement, arguments, is_write=True)
        except _Cut as error:
            raise DatabaseUnavailable("The database does not answer.") from error

    async def close(self) -> None:
        """Close what is idle, and the others when they come back."""
        self._is_closed = True
        while self._idle:
            connection, _ = self._idle.pop()
            await connection.close(timeout=5)

    async def _run(
        self, statement: str, arguments: Sequence[Any], *, is_write: bool
    ) -> list[Any]:
        gate = self.gate
        if not gate.try_acquire():
            await gate.acquire()
        try:
            connection = await self._take(is_write)
            started = time.perf_counter()
            try:
                rows: list[Any] = await connection.fetch(statement, *arguments)
            except BaseException as error:
                self._put_back_after(error, connection)
                if _has_ended(error, connection):
                    raise _Cut from error
                raise
            self._put_back(connection)
            if self.observe is not None:
                seconds = time.perf_counter() - started
                self.observe(statement, arguments, seconds, len(rows))
            return rows
        finally:
            gate.release()

    async def _take(self, is_write: bool) -> asyncpg.Connection:
        while self._idle:
            connection, since = self._idle.pop()
            if connection.is_closed():
                continue
            # A read is repeated if need be; a write must not be, so it looks first.
            is_stale = is_write and time.monotonic() - since > IDLE_SECONDS
            if not is_stale or await _answers(connection):
                return connection
        return await self._open()

    async def _open(self) -> asyncpg.Connection:
        try:
            return await asyncpg.connect(
                **{"timeout": 5, **self._options},
                statement_cache_size=STATEMENTS,
                max_cached_statement_lifetime=0,
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            if isinstance(error, asyncpg.PostgresError) and not is_away(error):
                raise
            raise DatabaseUnavailable("The database does not answer.") from error

    def _put_back(self, connection: asyncpg.Connection) -> None:
        if self._is_closed:
            connection.terminate()
        else:
            self._idle.append((connection, time.monotonic()))

    def _put_back_after(
        self, error: BaseException, connection: asyncpg.Connection
    ) -> None:
        # After a refusal by the server the connection is as before. After anything
        # else, a cancelled request above all, it may still be busy.
        is_refusal = isinstance(error, asyncpg.PostgresError | asyncpg.DataError)
        if is_refusal and not (is_cut(error) or connection.is_closed()):
            self._put_back(connection)
        else:
            connection.terminate()

    def _forget_idle(self) -> None:
        # The server that ended one connection has most likely ended all.
        while self._idle:
            self._idle.pop()[0].terminate()


class _Cut(Exception):
    """The server or the network ended the connection under a statement."""


def _has_ended(error: BaseException, connection: asyncpg.Connection) -> bool:
    if isinstance(error, asyncio.CancelledError | asyncpg.DataError):
        return False
    if isinstance(error, asyncpg.PostgresError | asyncpg.InternalClientError):
        return is_cut(error)
    return isinstance(error, OSError | asyncpg.InterfaceError)


async def _answers(connection: asyncpg.Connection) -> bool:
    try:
        await connection.fetchval("SELECT 1", timeout=5)
    except _NO_ANSWER:
        connection.terminate()
        return False
    return True
