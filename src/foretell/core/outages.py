"""When Foretell's own database is not there: one error for every driver's way."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from foretell.errors import Unavailable

# Connection lost; shut down, crashed or starting.
_CUT = ("08", "57P")
# Resources used up; database closed or dropped.
_REFUSED = ("53", "55000", "3D000")
# asyncpg lets what the network says through: refused, no answer in time, no such host.
_NO_CONNECTION = ConnectionError | TimeoutError | socket.gaierror


class DatabaseUnavailable(Unavailable):
    """Foretell's own database does not answer."""

    slug = "database-unavailable"
    title = "Database unavailable"


class DatabaseBusy(DatabaseUnavailable):
    """Every database connection stayed in use for as long as a request waits."""

    slug = "database-busy"
    title = "Database busy"


@contextmanager
def demanding_an_answer() -> Iterator[None]:
    """Turn every way in which a database is not there into `DatabaseUnavailable`."""
    try:
        yield
    except Exception as error:
        if means_away(error):
            raise DatabaseUnavailable("The database does not answer.") from error
        raise


def means_away(error: BaseException) -> bool:
    """Whether an error is one of the ways in which a database is not there."""
    if isinstance(error, OperationalError | InterfaceError | _NO_CONNECTION):
        return True
    return isinstance(error, DBAPIError) and (
        bool(error.connection_invalidated) or is_away(error.orig)
    )


def is_cut(error: BaseException) -> bool:
    """Whether the server says, or has said, that it ends this connection.

    Drivers raise some of these as errors of no kind; the SQLSTATE tells.
    """
    return sqlstate_of(error).startswith(_CUT) or _is_out_of_step(error)


def is_away(error: BaseException | None) -> bool:
    """Whether the server is there for nobody: ends, starts, or has nothing left."""
    return sqlstate_of(error).startswith(_CUT + _REFUSED)


def _is_out_of_step(error: BaseException) -> bool:
    # asyncpg refuses to send anything once the server's last words have arrived, and
    # has no better name for it until the end of the connection arrives too.
    driver = sys.modules.get("asyncpg")
    return driver is not None and isinstance(error, driver.InternalClientError)


def sqlstate_of(error: BaseException | None) -> str:
    """The SQLSTATE of a driver's error; empty where it has none."""
    return str(getattr(error, "sqlstate", None) or "")
