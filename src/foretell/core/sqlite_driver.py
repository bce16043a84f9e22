"""SQLite below SQLAlchemy with one trip to the connection's thread a statement.

`aiosqlite` keeps a thread for each connection, and SQLAlchemy's adapter goes there
for the cursor, the statement, the rows and the cursor's end: three or four trips of
some 50 microseconds, for a statement that takes ten. Here a statement is one trip,
BEGIN travels with the first statement behind it, and a connection that goes back to
the pool is not rolled back when nothing is open. Measured: 960 to 390 microseconds
for a transaction of one statement. A statement whose answer nobody reads waits for
the next one or for the commit, and travels with it.
"""

import collections
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util import await_only

# A transaction that reads and then writes can fail as busy whatever the time-out.
BEGIN = "BEGIN IMMEDIATE"


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """A statement and all its rows, fetched while it is on the thread."""

    __slots__ = ("_description", "_lastrowid", "_rowcount")

    # Not the base's: it makes a cursor on the thread, before there is a statement.
    def __init__(self, connection: "_Connection") -> None:
        self._adapt_connection = connection
        self._rows = collections.deque()
        self._description: Any = None
        self._rowcount = -1
        self._lastrowid = 0

    @property
    def description(self) -> Any:
        return self._description

    @property
    def rowcount(self) -> int:
        return self._rowcount

    @property
    def lastrowid(self) -> int:
        return self._lastrowid

    def execute(self, operation: Any, parameters: Any = None) -> "_Cursor":
        def run(raw: sqlite3.Connection) -> None:
            self._take(raw.execute(operation, parameters or ()))

        if operation.startswith("BEGIN"):
            self._connection_of().begin_later(operation)
        else:
            self._connection_of().call(run)
        return self

    def executemany(self, operation: Any, seq_of_parameters: Any) -> "_Cursor":
        def run(raw: sqlite3.Connection) -> None:
            self._take(raw.executemany(operation, seq_of_parameters))

        self._connection_of().call(run)
        return self

    def _connection_of(self) -> "_Connection":
        found: Any = self._adapt_connection
        return found  # type: ignore[no-any-return]

    def _take(self, cursor: sqlite3.Cursor) -> None:
        """On the connection's thread: everything the statement answered."""
        self._description = cursor.description
        self._rows = collections.deque(cursor.fetchall() if cursor.description else ())
        self._rowcount = cursor.rowcount
        self._lastrowid = cursor.lastrowid or 0
        cursor.close()

    def setinputsizes(self, *inputsizes: Any) -> None:
        return None

    async def _async_soft_close(self) -> None:
        return None

    def close(self) -> None:
        self._rows.clear()


class _Connection(AsyncAdapt_aiosqlite_connection):
    """Knows whether a transaction may be open.

    "May": a caller who is cancelled while a statement is on its way cannot tell
    whether it ran, so only a commit or rollback that came back ends the doubt.
    """

    __slots__ = ("_begin", "_may_be_open", "_waiting")
    _cursor_cls: Any = _Cursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._begin: str | None = None
        self._may_be_open = False
        self._waiting: list[tuple[str, Sequence[Any]]] = []

    def begin_later(self, statement: str) -> None:
        self._begin = statement

    def execute_later(self, statement: str, parameters: Sequence[Any]) -> None:
        """Run a statement before the next one, or before the commit."""
        self._waiting.append((statement, parameters))

    def call(self, run: Callable[[sqlite3.Connection], None]) -> None:
        """Run something on the connection's thread, behind a BEGIN and statements
        that wait."""
        before = self._waiting_work()
        raw = self._connection._conn

        def on_thread() -> None:
            before(raw)
            run(raw)

        self._await(on_thread)

    def commit(self) -> None:
        before = self._waiting_work() if self._waiting else None
        self._begin = None
        raw = self._connection._conn

        def on_thread() -> None:
            try:
                if before is not None:
                    before(raw)
                raw.commit()
            except BaseException:
                # After a commit nobody else does.
                raw.rollback()
                raise

        if self._is_open():
            self._await(on_thread)
        self._may_be_open = False

    def _waiting_work(self) -> Callable[[sqlite3.Connection], None]:
        begin, self._begin = self._begin, None
        waiting, self._waiting = self._waiting, []
        self._may_be_open = self._may_be_open or begin is not None

        def run(raw: sqlite3.Connection) -> None:
            if begin is not None:
                raw.execute(begin)
            for statement, parameters in waiting:
                raw.execute(statement, parameters)

        return run

    def rollback(self) -> None:
        self._begin, self._waiting = None, []
        if self._is_open():
            self._await(self._connection._conn.rollback)
        self._may_be_open = False

    def _is_open(self) -> bool:
        return self._may_be_open and self._connection._connection is not None

    def _await(self, run: Callable[[], None]) -> None:
        try:
            await_only(self._connection._execute(run))
        except Exception as error:
            self._handle_exception(error)


class _Driver(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *arguments: Any, **options: Any) -> _Connection:
        connection = aiosqlite.connect(*arguments, **options)
        # As SQLAlchemy does: a connection left open must not keep a process alive.
        connection._thread.daemon = True
        return _Connection(self, await_only(connection))


def driver() -> Any:
    """What `create_async_engine(module=)` takes for `sqlite+aiosqlite`."""
    return _Driver(aiosqlite, sqlite3)
