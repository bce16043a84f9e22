"""Foretell's own database: engines, sessions, one transaction per request or job.

Two kinds of session. `writing()` is a unit of work: it opens its transaction at
the first statement, commits once at the end and rolls back on any error. On
SQLite it begins IMMEDIATE, since a transaction that starts by reading and then
writes can fail with SQLITE_BUSY whatever the time-out says. `reading()` runs in
autocommit (a deferred transaction on SQLite, which is a snapshot).
"""

import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    MetaData,
    String,
    TypeDecorator,
    event,
    text,
)
from sqlalchemy.dialects.mysql import DATETIME, LONGTEXT
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import JSON, Text

from foretell.core import sqlite_driver
from foretell.errors import Unavailable
from foretell.settings import SettingsError

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_POSTGRESQL_UNIQUE = "23505"
_MYSQL_UNIQUE = 1062
_DRIVER_EXTRAS = {"asyncpg": "postgres", "asyncmy": "mysql", "aiomysql": "mysql"}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware UTC in Python, microseconds on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        if value is None:
            return None
        return (
            value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        )


LongText = Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def table_options(*items: Any) -> tuple[Any, ...]:
    """`__table_args__` of every table: its constraints, then the options.

    Text compares by code point on MySQL too, so that every database agrees.
    """
    options = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
    return (*items, options)


class Base(DeclarativeBase):
    """Base of every table of Foretell and of extensions."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcDateTime,
        str: String(255),
        int: BigInteger,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[Any]: JSON,
    }
    __table_args__: Any = table_options()


class DatabaseUnavailable(Unavailable):
    """Foretell's own database does not answer."""

    slug = "database-unavailable"
    title = "Database unavailable"


class Database:
    """Engines and sessions of one database URL.

    Args:
        url: SQLAlchemy URL with an async driver.
        pool_size: Connections kept; as many again may be opened under load.
        pool_timeout_seconds: Wait for a free connection before answering 503.
    """

    def __init__(
        self, url: str, *, pool_size: int = 5, pool_timeout_seconds: float = 5.0
    ) -> None:
        self.engine = _make_engine(url, pool_size, pool_timeout_seconds)
        self.dialect = self.engine.dialect.name
        writing = self.engine.execution_options(sqlite_begin="IMMEDIATE")
        reading = (
            self.engine
            if self.dialect == "sqlite"
            else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._writers = async_sessionmaker(writing, expire_on_commit=False)
        self._readers = async_sessionmaker(
            reading, expire_on_commit=False, autoflush=False
        )

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """One unit of work: commit at the end, roll back on any error."""
        async with self._guarded(self._writers) as session:
            yield session
            await session.commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reads; whatever it changes is thrown away on SQLite and is
        its own transaction elsewhere, so it must only read."""
        async with self._guarded(self._readers) as session:
            yield session

    @asynccontextmanager
    async def _guarded(
        self, maker: async_sessionmaker[AsyncSession]
    ) -> AsyncIterator[AsyncSession]:
        with demanding_an_answer():
            async with maker() as session:
                yield session

    async def ping(self) -> None:
        """Raise `DatabaseUnavailable` unless a statement comes back."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    def pool_status(self) -> dict[str, int]:
        """Connections now: `checked_out` and `size`."""
        pool: Any = self.engine.pool
        return {"checked_out": int(pool.checkedout()), "size": int(pool.size())}

    async def close(self) -> None:
        await self.engine.dispose()


def _is_away(error: DBAPIError) -> bool:
    """Whether the server refused or ended the connection, and not a statement.

    Drivers raise some of these as errors of no kind; the SQLSTATE tells: connection
    lost, resources used up, shut down or starting, database closed or dropped.
    """
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or state.startswith(
        ("08", "53", "57P", "55000", "3D000")
    )


# asyncpg lets what the network says through: refused, no answer in time, no such host.
_NO_CONNECTION = (ConnectionError, TimeoutError, socket.gaierror)


@contextmanager
def demanding_an_answer() -> Iterator[None]:
    """Turn every way in which a database is not there into `DatabaseUnavailable`."""
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailable("All database connections are busy.") from error
    except (OperationalError, InterfaceError, *_NO_CONNECTION) as error:
        raise DatabaseUnavailable("The database does not answer.") from error
    except DBAPIError as error:
        if _is_away(error):
            raise DatabaseUnavailable("The database does not answer.") from error
        raise


def is_unique_violation(error: IntegrityError) -> bool:
    """Whether a statement failed because a unique value is taken."""
    original: BaseException | None = error.orig
    while original is not None:  # the async adapters wrap the driver's own error
        if getattr(original, "sqlstate", None) == _POSTGRESQL_UNIQUE:
            return True
        if isinstance(original, sqlite3.IntegrityError):
            return "UNIQUE" in str(original)
        if original.args and original.args[0] == _MYSQL_UNIQUE:
            return True
        original = original.__cause__
    return False


def _make_engine(url: str, pool_size: int, pool_timeout: float) -> AsyncEngine:
    sqlite = url.startswith("sqlite")
    try:
        engine = create_async_engine(
            url,
            pool_pre_ping=not sqlite,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=pool_timeout,
            connect_args=_connect_args(url),
            **({"module": sqlite_driver.driver()} if sqlite else {}),
        )
    except ModuleNotFoundError as error:
        raise SettingsError(_missing_driver(error.name or "driver")) from error
    except NoSuchModuleError as error:
        raise SettingsError(
            "FORETELL_DATABASE_URL: only sqlite, postgresql and mysql are known"
        ) from error
    if sqlite:
        event.listen(engine.sync_engine, "connect", set_pragmas)
        event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _connect_args(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        # We emit BEGIN ourselves: the driver's own way breaks savepoints.
        return {"isolation_level": None, "timeout": 10}
    if "asyncmy" in url:
        return {"connect_timeout": 5, "init_command": "SET time_zone = '+00:00'"}
    return {"timeout": 5}


def _missing_driver(module: str) -> str:
    extra = _DRIVER_EXTRAS.get(module, module)
    return (
        f"FORETELL_DATABASE_URL: the driver {module} is not installed; "
        f"pip install 'foretell[{extra}]'"
    )


def set_pragmas(connection: Any, _record: Any = None) -> None:
    """Set a new SQLite connection up as every connection of ours is."""
    cursor = connection.cursor()
    # Switching to WAL can itself meet a lock when processes start together; the
    # busy time-out must therefore come first.
    for pragma in (
        "busy_timeout=10000",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "")
    connection.exec_driver_sql(f"BEGIN {mode}".strip())
