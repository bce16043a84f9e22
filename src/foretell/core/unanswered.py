"""Statements whose answer nobody reads, on SQLite: they wait for company.

Where a unit of work does nothing else, they are a transaction of their own when it
commits, in one trip to the connection's thread and without SQLAlchemy's connection,
which costs more than the statement. Where it does, they travel with the next
statement. In both cases they are part of the unit of work, all of it or nothing.
They are not seen by the log of slow statements.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, SessionTransaction

from foretell.core.sqlite_driver import BEGIN

_WAITING = "foretell.unanswered"
_Waiting = list[tuple[str, Sequence[Any]]]


def run_unanswered(session: Session, statement: str, arguments: Sequence[Any]) -> None:
    """Run a statement of SQLite's own before the session's next one or its commit,
    which may therefore raise for it: use it for what has no reason to fail."""
    if not wait_for_company(session, statement, arguments):
        _driver_of(session.connection()).execute_later(statement, arguments)


def wait_for_company(
    session: Session, statement: str, arguments: Sequence[Any]
) -> bool:
    """The same without any waiting, on the event loop too; false, and nothing done,
    where the session is in the middle of something."""
    waiting: _Waiting | None = session.info.get(_WAITING)
    if waiting is not None and not session.in_nested_transaction():
        waiting.append((statement, arguments))
        return True
    if session.in_transaction():
        return False
    session.begin()
    session.info[_WAITING] = [(statement, arguments)]
    return True


def _driver_of(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


@event.listens_for(Session, "after_begin")
def _hand_over(
    session: Session, _transaction: SessionTransaction, connection: Connection
) -> None:
    for statement, arguments in session.info.pop(_WAITING, ()):
        _driver_of(connection).execute_later(statement, arguments)


# Whatever else wanted to write, such as objects that had not been flushed, has done so
# by now; then nothing waits any more.
@event.listens_for(Session, "after_commit")
def _commit_alone(session: Session) -> None:
    if _WAITING in session.info and not session.in_nested_transaction():
        waiting = session.info.pop(_WAITING)
        engine: Any = session.get_bind()
        _in_a_transaction(engine, waiting)


def _in_a_transaction(engine: Engine, waiting: _Waiting) -> None:
    held = engine.raw_connection()
    driver: Any = held.dbapi_connection
    try:
        driver.begin_later(BEGIN)
        for statement, arguments in waiting:
            driver.execute_later(statement, arguments)
        driver.commit()
    except sqlite3.Error as error:
        text = waiting[0][0]
        raise DBAPIError.instance(text, None, error, sqlite3.Error) from error
    finally:
        held.close()  # and roll back what did not end


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(_WAITING, None)
