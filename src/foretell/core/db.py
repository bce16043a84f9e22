"""Foretell's own database: engines, sessions, one transaction per request or job.

Two kinds of session. `writing()` is a unit of work: it opens its transaction at
the first statement, commits once at the end and rolls back on any error. On
SQLite it begins IMMEDIATE, since a transaction that starts by reading and then
writes can fail with SQLITE_BUSY whatever the time-out says. `reading()` runs in
autocommit. Both take a connection at their first statement and never two.
"""

import sqlite3
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
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
from sqlalchemy.exc import IntegrityError, NoSuchModuleError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import NullPool
from sqlalchemy.types import JSON, Text

from foretell.core import sqlite_driver
from foretell.core.gate import Gate
from foretell.core.outages import (
    DatabaseUnavailable,
    demanding_an_answer,
    means_away,
    sqlstate_of,
)
from foretell.core.pool import GatedPool, keep_fresh, read_again_when_cut
from foretell.core.slow_queries import SlowQueries
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
# A reader needs neither BEGIN nor ROLLBACK, which are round trips.
_AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
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


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """Connections of a `Database`: how many there may be and how many are in use, how
    many callers wait for one, and how many got none since the start."""

    size: int
    checked_out: int
    waiting: int
    refused: int


class Database:
    """Engines and sessions of one database URL.

    Reading sessions and units of work have connections of their own: readers never
    wait for writers, and a unit of work may look something up beside itself before
    its own first statement. SQLite takes one writer at a time, so that its units of
    work share one connection and come in turn, instead of polling for the lock.

    Args:
        url: SQLAlchemy URL with an async driver.
        pool_size: Connections for reading, and as many for writing.
        pool_timeout_seconds: Wait for a free connection before answering 503.
        slow_query_seconds: Log statements that take longer; 0 logs none.

    Attributes:
        engine: The engine of the units of work.
        reading_engine: The engine of the readers, in autocommit.
        slow_queries: The log of slow statements, if there is one.
        other_gates: Of pools beside those of the engines; they count in the status.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        pool_timeout_seconds: float = 5.0,
        slow_query_seconds: float = 0.0,
    ) -> None:
        writers = 1 if url.startswith("sqlite") else pool_size
        self.engine = _pooled(url, writers, pool_timeout_seconds)
        self.reading_engine = _pooled(
            url, pool_size, pool_timeout_seconds, **_AUTOCOMMIT
        )
        self.dialect = self.engine.dialect.name
        if self.dialect == "sqlite":
            event.listen(self.engine.sync_engine, "begin", _begin)
        self.other_gates: list[Gate] = []
        self.slow_queries: SlowQueries | None = None
        if slow_query_seconds:
            explaining = _make_engine(url, poolclass=NullPool, **_AUTOCOMMIT)
            self.slow_queries = SlowQueries(explaining, slow_query_seconds)
            self.slow_queries.watch(self.engine.sync_engine)
            self.slow_queries.watch(self.reading_engine.sync_engine)
        self._writers = async_sessionmaker(self.engine, expire_on_commit=False)
        self._readers = async_sessionmaker(
            self.reading_engine,
            sync_session_class=_ReadingSession,
            expire_on_commit=False,
            autoflush=False,
        )

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One unit of work: commit at the end, roll back on any error."""
        return _Block(self._writers(), commits=True)

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A session for reads. Each statement is its own transaction, so that it
        must only read, and two statements may see different states."""
        return _Block(self._readers(), commits=False)

    async def ping(self) -> None:
        """Raise `DatabaseUnavailable` unless a statement comes back."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    def pool_status(self) -> PoolStatus:
        """Connections and the queue for them, now."""
        pools: list[Any] = [self.engine.pool, self.reading_engine.pool]
        gates: list[Gate] = [*(pool.gate for pool in pools), *self.other_gates]
        return PoolStatus(
            size=sum(gate.size for gate in gates),
            checked_out=sum(gate.taken for gate in gates),
            waiting=sum(gate.waiting for gate in gates),
            refused=sum(gate.refused for gate in gates),
        )

    async def close(self) -> None:
        if self.slow_queries is not None:
            await self.slow_queries.close()
        await self.reading_engine.dispose()
        await self.engine.dispose()


class _ReadingSession(Session):
    """Only so that it has listeners of its own."""


event.listen(_ReadingSession, "do_orm_execute", read_again_when_cut)


class _Block:
    """The `async with` of a session. Not a generator: they cost half of a session."""

    __slots__ = ("_commits", "_session")

    def __init__(self, session: AsyncSession, *, commits: bool) -> None:
        self._session = session
        self._commits = commits

    async def __aenter__(self) -> AsyncSession:
        return self._session

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        with demanding_an_answer():
            try:
                if error is None and self._commits:
                    await self._session.commit()
            finally:
                await self._close()
        if error is not None and means_away(error):
            raise DatabaseUnavailable("The database does not answer.") from error

    async def _close(self) -> None:
        if self._session.in_transaction():
            # Not `close()`: this ends it even for who is cancelled meanwhile.
            await self._session.__aexit__(None, None, None)
        else:
            self._session.sync_session.close()


def is_unique_violation(error: IntegrityError) -> bool:
    """Whether a statement failed because a unique value is taken."""
    original: BaseException | None = error.orig
    while original is not None:  # the async adapters wrap the driver's own error
        if sqlstate_of(original) == _POSTGRESQL_UNIQUE:
            return True
        if isinstance(original, sqlite3.IntegrityError):
            return "UNIQUE" in str(original)
        if original.args and original.args[0] == _MYSQL_UNIQUE:
            return True
        original = original.__cause__
    return False


def _pooled(url: str, size: int, timeout: float, **options: Any) -> AsyncEngine:
    engine = _make_engine(
        url,
        poolclass=GatedPool,
        pool_size=size,
        max_overflow=0,  # what goes over the size is closed after each use
        pool_timeout=timeout,
        **options,
    )
    if engine.dialect.name != "sqlite":
        keep_fresh(engine.sync_engine, is_for_reading=bool(options))
    return engine


def _make_engine(url: str, **options: Any) -> AsyncEngine:
    if url.startswith("sqlite"):
        options["module"] = sqlite_driver.driver()
    try:
        engine = create_async_engine(url, connect_args=_connect_args(url), **options)
    except ModuleNotFoundError as error:
        raise SettingsError(_missing_driver(error.name or "driver")) from error
    except NoSuchModuleError as error:
        raise SettingsError(
            "FORETELL_DATABASE_URL: only sqlite, postgresql and mysql are known"
        ) from error
    if url.startswith("sqlite"):
        event.listen(engine.sync_engine, "connect", set_pragmas)
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
        # A checkpoint waits for the disk, twice; every 16 MiB instead of every 4.
        "wal_autocheckpoint=4000",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    raw.begin_later(sqlite_driver.BEGIN)
