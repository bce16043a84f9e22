"""Connections of Foretell's own database: a fixed number, handed out in order.

No ping before each read, which costs a round trip: a connection whose end the network
has reported is replaced for nothing, only one that stood idle is asked, and a read
that is cut all the same is run again. A unit of work cannot be run again from here, so
its connection is always asked: by its own BEGIN on PostgreSQL, by a ping on MySQL.
"""

import time
from typing import Any

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidatePoolError
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only

from foretell.core.gate import Gate
from foretell.core.outages import is_cut

IDLE_SECONDS = 1.0
_USED_AT = "foretell.used_at"
_HAS_READ = "foretell.has_read"


class GatedPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool behind a `Gate` of its size, so that it never queues itself.

    Takes the arguments of its base; `timeout` is the gate's.
    """

    # Where SQLAlchemy's own pools log, which is quiet unless somebody asks.
    _sqla_logger_namespace = "sqlalchemy.pool.GatedPool"

    def __init__(self, creator: Any, **options: Any) -> None:
        super().__init__(creator, **options)
        self.gate = Gate(self.size() + self._max_overflow, wait_seconds=self._timeout)

    def _do_get(self) -> ConnectionPoolEntry:
        if not self.gate.try_acquire():
            await_only(self.gate.acquire())
        try:
            return super()._do_get()
        except BaseException:
            self.gate.release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        try:
            super()._do_return_conn(record)
        finally:
            self.gate.release()


def keep_fresh(engine: Engine, *, is_for_reading: bool) -> None:
    """Hand out no connection of `engine` that its server has ended."""
    ask = _is_there if is_for_reading else _begins
    idle_seconds = IDLE_SECONDS if is_for_reading else 0.0

    def note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = time.monotonic()

    def look(connection: Any, record: ConnectionPoolEntry, _fairy: Any) -> None:
        used_at = record.info.get(_USED_AT)
        if used_at is None:
            return  # just opened
        if _is_closed(connection.driver_connection):
            raise DisconnectionError
        if time.monotonic() - used_at < idle_seconds:
            return
        try:
            ask(engine.dialect, connection)
        except Exception as error:
            errors = (engine.dialect.loaded_dbapi.Error, OSError)
            if isinstance(error, errors) or is_cut(error):
                raise InvalidatePoolError from error
            raise

    def tell_cuts(context: ExceptionContext) -> DBAPIError | None:
        # The error can come before the end of the connection that it announces.
        error = context.original_exception
        if not is_cut(error):
            return None
        context.is_disconnect = True
        if context.sqlalchemy_exception is not None:
            return None
        # One that SQLAlchemy does not know as the driver's.
        return DBAPIError(
            context.statement, context.parameters, error, connection_invalidated=True
        )

    event.listen(engine, "checkin", note_use)
    event.listen(engine, "checkout", look)
    event.listen(engine, "handle_error", tell_cuts)


def read_again_when_cut(state: ORMExecuteState) -> Any:
    """Run the first statement of a reading session a second time when the server
    ended its connection meanwhile. A listener of `do_orm_execute`.

    Later statements are not repeated: what the session has read so far may not fit
    to what a restarted server, or another one, answers.
    """
    session: Session = state.session
    if _HAS_READ in session.info:
        return None
    session.info[_HAS_READ] = True
    try:
        return state.invoke_statement()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    session.rollback()
    return state.invoke_statement()


def _is_there(dialect: Dialect, connection: Any) -> None:
    dialect.do_ping(connection)


def _begins(dialect: Dialect, connection: Any) -> None:
    if dialect.driver == "asyncpg":
        # What the adapter does before its first statement otherwise.
        await_only(connection._start_transaction())
    else:
        dialect.do_ping(connection)


def _is_closed(connection: Any) -> bool:
    """Whether the driver knows that the connection has ended."""
    is_closed = getattr(connection, "is_closed", None)
    if is_closed is not None:  # asyncpg
        return bool(is_closed())
    transport = getattr(connection, "_transport", None)  # asyncmy has no word for it
    return transport is not None and bool(transport.is_closing())
