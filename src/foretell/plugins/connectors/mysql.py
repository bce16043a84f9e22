"""MySQL and MariaDB by asyncmy: read in one snapshot, written beside and renamed.

MySQL commits at every change of a table, so a replacement is filled under another name
and takes its place by one RENAME, which is atomic.
"""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import asyncmy
import orjson
from asyncmy.constants import FIELD_TYPE
from asyncmy.cursors import SSCursor
from asyncmy.errors import MySQLError

from foretell.connections.errors import (
    ConnectionRejected,
    ConnectionUnreachable,
    SinkFailed,
    SourceFailed,
    SourceNotFound,
)
from foretell.core.columns import ColumnType
from foretell.core.connectors import (
    Chunk,
    ForeignColumn,
    Reading,
    Sink,
    Source,
    Target,
)
from foretell.errors import ForetellError
from foretell.plugins.connectors.common import (
    LEDGER,
    Counted,
    Staging,
    demand_columns,
    demand_known,
    tls_context,
    unique_names,
)

_LONGEST_NAME = 64
_DAY = timedelta(days=1)
_MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001 - only its time is used
_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
    "AND table_name NOT LIKE '\\_foretell\\_%%'"
)
_AUTH = frozenset({1045, 1044, 1698, 1130, 1251, 1862, 1820, 2049, 2059})
_TIME_UP = frozenset({1969, 3024, 1317, 1028})
_LOST = frozenset({2003, 2006, 2013, 1040, 1053, 1927, 4031})
_COLUMN_TYPES = {
    FIELD_TYPE.SHORT: ColumnType.INTEGER,
    FIELD_TYPE.TINY: ColumnType.INTEGER,
    FIELD_TYPE.LONG: ColumnType.INTEGER,
    FIELD_TYPE.INT24: ColumnType.INTEGER,
    FIELD_TYPE.LONGLONG: ColumnType.INTEGER,
    FIELD_TYPE.YEAR: ColumnType.INTEGER,
    FIELD_TYPE.BIT: ColumnType.INTEGER,
    FIELD_TYPE.DECIMAL: ColumnType.DECIMAL,
    FIELD_TYPE.NEWDECIMAL: ColumnType.DECIMAL,
    FIELD_TYPE.FLOAT: ColumnType.FLOAT,
    FIELD_TYPE.DOUBLE: ColumnType.FLOAT,
    FIELD_TYPE.DATE: ColumnType.DATE,
    FIELD_TYPE.NEWDATE: ColumnType.DATE,
    FIELD_TYPE.TIME: ColumnType.TIME,
    FIELD_TYPE.DATETIME: ColumnType.TIMESTAMP,
    FIELD_TYPE.TIMESTAMP: ColumnType.TIMESTAMP,
}
_MAYBE_BYTES = frozenset(
    {
        FIELD_TYPE.TINY_BLOB,
        FIELD_TYPE.MEDIUM_BLOB,
        FIELD_TYPE.LONG_BLOB,
        FIELD_TYPE.BLOB,
        FIELD_TYPE.VAR_STRING,
        FIELD_TYPE.STRING,
        FIELD_TYPE.VARCHAR,
        FIELD_TYPE.GEOMETRY,
    }
)
_CREATED: Mapping[ColumnType, str] = {
    ColumnType.BOOLEAN: "TINYINT(1)",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.TEXT: "LONGTEXT",
    ColumnType.DATE: "DATE",
    ColumnType.TIME: "TIME(6)",
    ColumnType.TIMESTAMP: "DATETIME(6)",
    # TIME ends at 838 hours: microseconds.
    ColumnType.DURATION: "BIGINT",
    ColumnType.BINARY: "LONGBLOB",
    ColumnType.LIST: "JSON",
    ColumnType.STRUCT: "JSON",
}


class MysqlConnector:
    """See `foretell.core.connectors.Connector`."""

    async def check(self, target: Target) -> None:
        async with _connected(target) as connection:
            await _run(connection, "SELECT 1")

    async def tables(self, target: Target) -> list[str]:
        async with _connected(target) as connection:
            rows = await _run(connection, _TABLES, [])
        return sorted(str(name) for (name,) in rows)

    @asynccontextmanager
    async def read(
        self, target: Target, source: Source, *, rows: int
    ) -> AsyncIterator[Reading]:
        async with _connected(target) as connection:
            if source.kind == "table":
                found = await _run(
                    connection, _TABLES + " AND table_name = %s", [source.text]
                )
                if not found:
                    raise SourceNotFound("table", source.text)
            begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
            await _run(connection, begin)
            statement, arguments = _statement(source)
            cursor = connection.cursor(SSCursor)
            with _translated():
                await cursor.execute(statement, arguments or None)
            names = unique_names([str(column[0]) for column in cursor.description])
            kinds = [(column[1], column[3]) for column in cursor.description]
            columns = [
                _declared(name, column)
                for name, column in zip(names, cursor.description, strict=True)
            ]
            yield Reading(columns, _chunks(cursor, names, kinds, rows))

    async def write(
        self, target: Target, sink: Sink, chunks: AsyncIterator[Chunk]
    ) -> int:
        demand_columns(sink.columns, longest=_LONGEST_NAME, is_case_blind=True)
        demand_columns([ForeignColumn(sink.name)], longest=64, is_case_blind=True)
        counted = Counted(sink.columns, chunks)
        async with _connected(target) as connection:
            with _translated(writes=True):
                if sink.mode == "append":
                    return await _append(connection, sink, counted)
                return await _replace(connection, sink, counted)


@asynccontextmanager
async def _connected(target: Target) -> AsyncIterator[Any]:
    with _translated():
        connection = await asyncmy.connect(
            host=target.address,
            port=target.port,
            user=target.username,
            # As bytes: the driver would take Latin-1.
            password=target.password.get_secret_value().encode(),
            database=target.database,
            charset="utf8mb4",
            connect_timeout=target.connect_seconds,
            ssl=tls_context(target),
            local_infile=False,
            autocommit=True,
            init_command="SET time_zone = '+00:00'",
        )
    try:
        transport: Any = getattr(connection, "_transport")  # noqa: B009 - no stub
        if target.tls and transport.get_extra_info("ssl_object") is None:
            # The driver goes on in the clear where the server offers no TLS.
            raise ConnectionUnreachable("tls")
        await _limit_time(connection, target.timeout_seconds)
        yield connection
    finally:
        # At once, without reading the rest of an answer.
        connection.close()


async def _limit_time(connection: Any, seconds: float) -> None:
    if "mariadb" in str(connection.get_server_info()).lower():
        await _run(connection, f"SET max_statement_time = {seconds:.3f}")
    else:
        await _run(connection, f"SET max_execution_time = {int(seconds * 1000)}")


async def _run(
    connection: Any, statement: str, arguments: Sequence[Any] | None = None
) -> Sequence[Any]:
    with _translated():
        async with connection.cursor() as cursor:
            await cursor.execute(statement, arguments)
            found: Sequence[Any] = await cursor.fetchall()
            return found


@contextmanager
def _translated(*, writes: bool = False) -> Iterator[None]:
    try:
        yield
    except ForetellError:
        raise
    except MySQLError as error:
        raise _error_of(error, writes) from None
    except TimeoutError:
        raise ConnectionUnreachable("timeout") from None
    except ssl.SSLError:
        raise ConnectionUnreachable("tls") from None
    except (OSError, EOFError):
        raise ConnectionUnreachable from None


def _error_of(error: MySQLError, writes: bool) -> ForetellError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if code in _AUTH:
        return ConnectionRejected("auth")
    if code == 1049:
        return ConnectionRejected("database")
    if code in _TIME_UP:
        return SourceFailed("The outside database stopped it: it took too long.")
    if code == 2003 and "timed out" in str(error).lower():
        return ConnectionUnreachable("timeout")
    if code in (2026, 3159):
        return ConnectionUnreachable("tls")
    if code in _LOST or code == 0:
        return ConnectionUnreachable()
    if writes:
        return SinkFailed(f"The outside database does not take the rows: error {code}.")
    return SourceFailed(f"The outside database refuses the query: error {code}.")


# --- reading ----------------------------------------------------------------------


def _statement(source: Source) -> tuple[str, list[Any]]:
    if source.kind == "table":
        base = f"SELECT * FROM {_quoted(source.text)}"  # noqa: S608 - quoted
    elif source.after is None:
        return source.text, []
    else:
        base = f"SELECT * FROM ({source.text}) AS source"  # noqa: S608 - checked
    if source.after is None:
        return base, []
    # With arguments a lone % would be taken for one.
    column = _quoted(source.after.column).replace("%", "%%")
    if source.after.value is None:
        return f"{base} ORDER BY {_quoted(source.after.column)}", []
    base = base.replace("%", "%%")
    value = source.after.value
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return f"{base} WHERE {column} > %s ORDER BY {column}", [value]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _declared(name: str, column: Sequence[Any]) -> ForeignColumn:
    code, length, scale = column[1], column[3], column[5]
    if code == FIELD_TYPE.TINY and length == 1:
        return ForeignColumn(name, ColumnType.BOOLEAN)
    if code == FIELD_TYPE.JSON:
        return ForeignColumn(name, ColumnType.TEXT, note="json")
    # Text and bytes have the same codes; the cells tell.
    missing = None if code in _MAYBE_BYTES else ColumnType.TEXT
    return ForeignColumn(
        name,
        _COLUMN_TYPES.get(code, missing),
        scale=scale if code in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL) else None,
        is_zoned=code == FIELD_TYPE.TIMESTAMP,
    )


async def _chunks(
    cursor: Any, names: list[str], kinds: list[tuple[int, int]], rows: int
) -> AsyncIterator[Chunk]:
    while True:
        with _translated():
            found = await cursor.fetchmany(rows)
        if not found:
            return
        yield [
            {n: _plain(k, cell) for n, k, cell in zip(names, kinds, row, strict=True)}
            for row in found
        ]


def _plain(kind: tuple[int, int], cell: Any) -> Any:
    code, length = kind
    if code == FIELD_TYPE.TINY and length == 1 and cell in (0, 1):
        return bool(cell)
    if code == FIELD_TYPE.TIMESTAMP and isinstance(cell, datetime):
        return cell.replace(tzinfo=UTC)
    if code == FIELD_TYPE.BIT and isinstance(cell, bytes):
        return int.from_bytes(cell, "big")
    if isinstance(cell, timedelta) and timedelta(0) <= cell < _DAY:
        return (_MIDNIGHT + cell).time()
    return cell


# --- writing ----------------------------------------------------------------------


async def _replace(connection: Any, sink: Sink, counted: Counted) -> int:
    staging = Staging.of(sink)
    # What an earlier try of this very piece of work has left.
    for name in (staging.new, staging.old):
        await _run(connection, f"DROP TABLE IF EXISTS {_quoted(name)}")
    await _create(connection, staging.new, sink.columns)
    await _fill(connection, staging.new, sink, counted)
    new, old, own = (_quoted(n) for n in (staging.new, staging.old, sink.name))
    if await _columns_of(connection, sink.name):
        await _run(connection, f"RENAME TABLE {own} TO {old}, {new} TO {own}")
        await _run(connection, f"DROP TABLE {old}")
    else:
        await _run(connection, f"RENAME TABLE {new} TO {own}")
    return counted.rows


async def _append(connection: Any, sink: Sink, counted: Counted) -> int:
    token = Staging.of(sink).new
    await _run(
        connection,
        f"CREATE TABLE IF NOT EXISTS {LEDGER} (token VARCHAR(64) PRIMARY KEY, "
        "row_count BIGINT) ENGINE=InnoDB",
    )
    known = await _columns_of(connection, sink.name)
    if known:
        demand_known(sink.columns, known)
    else:
        await _create(connection, sink.name, sink.columns)
    await _run(connection, "START TRANSACTION")
    select = f"SELECT row_count FROM {LEDGER} WHERE token = %s"  # noqa: S608
    noted = await _run(connection, select, [token])
    if noted:
        return int(noted[0][0])
    await _fill(connection, sink.name, sink, counted, begins=False)
    insert = f"INSERT INTO {LEDGER} VALUES (%s, %s)"  # noqa: S608 - a constant
    await _run(connection, insert, [token, counted.rows])
    await _run(connection, "COMMIT")
    return counted.rows


async def _columns_of(connection: Any, name: str) -> list[str]:
    rows = await _run(
        connection,
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = %s",
        [name],
    )
    return [str(column) for (column,) in rows]


async def _create(connection: Any, name: str, columns: Sequence[ForeignColumn]) -> None:
    lines = ", ".join(f"{_quoted(c.name)} {_created(c)} NULL" for c in columns)
    await _run(
        connection,
        f"CREATE TABLE {_quoted(name)} ({lines}) ENGINE=InnoDB "
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    )


def _created(column: ForeignColumn) -> str:
    if column.type is ColumnType.DECIMAL:
        scale = column.scale or 0
        return f"DECIMAL(60, {scale})" if scale <= 30 else "LONGTEXT"
    return _CREATED[column.type or ColumnType.TEXT]


async def _fill(
    connection: Any, name: str, sink: Sink, counted: Counted, *, begins: bool = True
) -> None:
    names = ", ".join(_quoted(c.name).replace("%", "%%") for c in sink.columns)
    marks = ", ".join("%s" for _ in sink.columns)
    into = f"INSERT INTO {_quoted(name)} ({names}) VALUES ({marks})"  # noqa: S608
    if begins:
        await _run(connection, "START TRANSACTION")
    async for chunk in counted.chunks():
        rows = [[_cell(value) for value in row] for row in chunk]
        with _translated(writes=True):
            async with connection.cursor() as cursor:
                await cursor.executemany(into, rows)
    if begins:
        await _run(connection, "COMMIT")


def _cell(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    if isinstance(value, timedelta):
        return round(value.total_seconds() * 1_000_000)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, date):
        return value
    return value
