"""PostgreSQL by asyncpg: read in one snapshot, written in one transaction."""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import orjson

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

_LONGEST_NAME = 63
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - without a zone, as the column
_EPOCH_UTC = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(2000, 1, 1)
_FOREVER = 2**63 - 1
_FOREVER_DAYS = 2**31 - 1
_TABLES = """
SELECT n.nspname AS schema, c.relname AS name, pg_table_is_visible(c.oid) AS is_near
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\\_temp\\_%'
  AND c.relname NOT LIKE '\\_foretell\\_%'
"""
_COLUMN_TYPES = {
    "bool": ColumnType.BOOLEAN,
    "int2": ColumnType.INTEGER,
    "int4": ColumnType.INTEGER,
    "int8": ColumnType.INTEGER,
    "oid": ColumnType.INTEGER,
    "numeric": ColumnType.DECIMAL,
    "float4": ColumnType.FLOAT,
    "float8": ColumnType.FLOAT,
    "text": ColumnType.TEXT,
    "varchar": ColumnType.TEXT,
    "bpchar": ColumnType.TEXT,
    "name": ColumnType.TEXT,
    "uuid": ColumnType.TEXT,
    "date": ColumnType.DATE,
    "time": ColumnType.TIME,
    "timestamp": ColumnType.TIMESTAMP,
    "timestamptz": ColumnType.TIMESTAMP,
    "interval": ColumnType.DURATION,
    "bytea": ColumnType.BINARY,
}
_PLAIN_TEXT = frozenset({"text", "varchar", "bpchar", "name"})
_CREATED: Mapping[ColumnType, str] = {
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INTEGER: "bigint",
    ColumnType.DECIMAL: "numeric",
    ColumnType.FLOAT: "double precision",
    ColumnType.TEXT: "text",
    ColumnType.DATE: "date",
    ColumnType.TIME: "time",
    ColumnType.DURATION: "interval",
    ColumnType.BINARY: "bytea",
    ColumnType.LIST: "jsonb",
    ColumnType.STRUCT: "jsonb",
}


class PostgresqlConnector:
    """See `foretell.core.connectors.Connector`."""

    async def check(self, target: Target) -> None:
        async with _connected(target) as connection:
            with _translated():
                await connection.execute("SELECT 1")

    async def tables(self, target: Target) -> list[str]:
        async with _connected(target) as connection:
            with _translated():
                rows = await connection.fetch(_TABLES + " ORDER BY 1, 2")
        return sorted(_shown(row) for row in rows)

    @asynccontextmanager
    async def read(
        self, target: Target, source: Source, *, rows: int
    ) -> AsyncIterator[Reading]:
        async with _connected(target) as connection:
            with _translated():
                transaction = connection.transaction(
                    isolation="repeatable_read", readonly=True
                )
                await transaction.start()
                await _set_codecs(connection)
                statement, arguments = await _statement(connection, source)
                prepared = await connection.prepare(statement)
            attributes = prepared.get_attributes()
            names = unique_names([attribute.name for attribute in attributes])
            columns = [
                _declared(name, attribute.type)
                for name, attribute in zip(names, attributes, strict=True)
            ]
            yield Reading(columns, _chunks(prepared, arguments, names, rows))

    async def write(
        self, target: Target, sink: Sink, chunks: AsyncIterator[Chunk]
    ) -> int:
        demand_columns(sink.columns, longest=_LONGEST_NAME, is_case_blind=False)
        counted = Counted(sink.columns, chunks)
        async with _connected(target) as connection:
            with _translated(writes=True):
                # Tables are made and renamed in it too: until the end nobody sees
                # anything, and a lost connection leaves nothing.
                async with connection.transaction():
                    return await _write(connection, sink, counted)


def _shown(row: Any) -> str:
    return row["name"] if row["is_near"] else f"{row['schema']}.{row['name']}"


@asynccontextmanager
async def _connected(target: Target) -> AsyncIterator[Any]:
    milliseconds = str(int(target.timeout_seconds * 1000))
    with _translated():
        connection = await asyncpg.connect(
            host=target.address,
            port=target.port,
            user=target.username or None,
            # An empty one, not None: that would look for a password file.
            password=target.password.get_secret_value(),
            database=target.database,
            ssl=tls_context(target) or False,
            timeout=target.connect_seconds,
            statement_cache_size=0,
            server_settings={
                "application_name": "foretell",
                "statement_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                "TimeZone": "UTC",
            },
        )
    try:
        yield connection
    finally:
        # Not `close`: it waits for a statement that may still run.
        connection.terminate()


@contextmanager
def _translated(*, writes: bool = False) -> Iterator[None]:
    """Say in our words what the driver says; its messages quote values."""
    try:
        yield
    except ForetellError:
        raise
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise ConnectionRejected("auth") from None
    except asyncpg.InvalidCatalogNameError:
        raise ConnectionRejected("database") from None
    except asyncpg.QueryCanceledError:
        raise SourceFailed(
            "The outside database stopped it: it took too long."
        ) from None
    except (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
        raise ConnectionUnreachable from None
    except asyncpg.TooManyConnectionsError:
        raise ConnectionUnreachable from None
    except asyncpg.PostgresError as error:
        raise _refused(error, writes) from None
    except (asyncpg.InterfaceError, ValueError, OverflowError) as error:
        if not writes or (
            isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)
        ):
            raise ConnectionUnreachable from None
        raise SinkFailed("A cell does not fit the type of its column there.") from None
    except TimeoutError:
        raise ConnectionUnreachable("timeout") from None
    except ssl.SSLError:
        raise ConnectionUnreachable("tls") from None
    except OSError as error:
        refused_tls = "SSL" in str(error)
        raise ConnectionUnreachable("tls" if refused_tls else "unreachable") from None


def _refused(error: Any, writes: bool) -> ForetellError:
    name = type(error).__name__.removesuffix("Error")
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    said = f"{words}, SQLSTATE {error.sqlstate}"
    if writes:
        return SinkFailed(f"The outside database does not take the rows: {said}.")
    return SourceFailed(f"The outside database refuses the query: {said}.")


# --- reading ----------------------------------------------------------------------


async def _set_codecs(connection: Any) -> None:
    """Read moments as numbers: the driver's own reader fails on years that Python
    does not have, and takes months in intervals for thirty days."""

    async def read(name: str, decode: Any) -> None:
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=_never,
            decoder=decode,
            format="tuple",
        )

    await read("timestamp", lambda cell: _moment(cell[0], _EPOCH))
    await read("timestamptz", lambda cell: _moment(cell[0], _EPOCH_UTC))
    await read("date", lambda cell: _day(cell[0]))
    await read("interval", _interval)


def _never(_value: Any) -> Any:
    raise TypeError("nothing is sent by this codec")


def _moment(microseconds: int, epoch: datetime) -> datetime | str:
    if abs(microseconds) >= _FOREVER:
        return "infinity" if microseconds > 0 else "-infinity"
    try:
        return epoch + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} microseconds after 2000-01-01"


def _day(days: int) -> date | str:
    if abs(days) >= _FOREVER_DAYS:
        return "infinity" if days > 0 else "-infinity"
    try:
        return _EPOCH_DAY + timedelta(days=days)
    except OverflowError:
        return f"{days} days after 2000-01-01"


def _interval(cell: tuple[int, int, int]) -> timedelta | str:
    months, days, microseconds = cell
    try:
        length = timedelta(days=days, microseconds=microseconds)
    except OverflowError:
        return f"P{months}M{days}DT{microseconds / 1e6}S"
    if months:
        return f"P{months}M{days}DT{microseconds / 1e6:g}S"
    return length


async def _statement(connection: Any, source: Source) -> tuple[str, list[Any]]:
    if source.kind == "query":
        # The line break of the checked query ends a comment on its last line.
        base = f"SELECT * FROM ({source.text}) AS source"  # noqa: S608 - checked
        base = source.text if source.after is None else base
    else:
        base = f"SELECT * FROM {await _found(connection, source.text)}"  # noqa: S608
    if source.after is None:
        return base, []
    column = _quoted(source.after.column)
    if source.after.value is None:
        return f"{base} ORDER BY {column} NULLS FIRST", []
    # As text and back: what was read as text (a uuid) compares as what it is.
    typed = f"SELECT {column} FROM ({base}) AS probe"  # noqa: S608 - checked
    probe = await connection.prepare(typed)
    kind = probe.get_attributes()[0].type
    where = f"{column} > ($1::text)::{_quoted(kind.schema)}.{_quoted(kind.name)}"
    value = source.after.value
    text = value.isoformat() if isinstance(value, date) else str(value)
    return f"{base} WHERE {where} ORDER BY {column}", [text]


async def _found(connection: Any, name: str) -> str:
    """The quoted name of a table that is there."""
    rows = await connection.fetch(
        _TABLES + " AND ((c.relname = $1 AND pg_table_is_visible(c.oid))"
        " OR n.nspname || '.' || c.relname = $1) ORDER BY is_near DESC",
        name,
    )
    if not rows:
        raise SourceNotFound("table", name)
    return f"{_quoted(rows[0]['schema'])}.{_quoted(rows[0]['name'])}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _declared(name: str, kind: Any) -> ForeignColumn:
    if kind.kind == "array":
        return ForeignColumn(name, ColumnType.LIST)
    type_ = _COLUMN_TYPES.get(kind.name, ColumnType.TEXT)
    is_odd = type_ is ColumnType.TEXT and kind.name not in _PLAIN_TEXT
    return ForeignColumn(
        name,
        type_,
        is_zoned=kind.name == "timestamptz",
        note=kind.name if is_odd else None,
    )


async def _chunks(
    prepared: Any, arguments: Sequence[Any], names: list[str], rows: int
) -> AsyncIterator[Chunk]:
    with _translated():
        cursor = await prepared.cursor(*arguments)
    while True:
        with _translated():
            records = await cursor.fetch(rows)
        if not records:
            return
        yield [
            dict(zip(names, map(_plain, record.values()), strict=True))
            for record in records
        ]


def _plain(value: Any) -> Any:
    if isinstance(value, asyncpg.Record):
        return {key: _plain(cell) for key, cell in value.items()}
    if isinstance(value, asyncpg.BitString):
        return value.as_string().replace(" ", "")
    if isinstance(value, list):
        return [_plain(cell) for cell in value]
    return value


# --- writing ----------------------------------------------------------------------


async def _write(connection: Any, sink: Sink, counted: Counted) -> int:
    schema, name = await _place(connection, sink.name)
    known = await _columns_of(connection, schema, name)
    if sink.mode == "append":
        return await _append(connection, sink, counted, schema, name, known)
    staging = Staging.of(sink)
    await _create(connection, schema, staging.new, sink.columns)
    await _copy(connection, schema, staging.new, sink.columns, counted)
    place = _quoted(schema)
    if known:
        await connection.execute(f"DROP TABLE {place}.{_quoted(name)}")
    await connection.execute(
        f"ALTER TABLE {place}.{_quoted(staging.new)} RENAME TO {_quoted(name)}"
    )
    return counted.rows


async def _append(
    connection: Any,
    sink: Sink,
    counted: Counted,
    schema: str,
    name: str,
    known: list[str],
) -> int:
    ledger = f"{_quoted(schema)}.{_quoted(LEDGER)}"
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {ledger} (token text PRIMARY KEY, rows bigint)"
    )
    noted = await connection.fetchrow(
        f"INSERT INTO {ledger} VALUES ($1, 0) "  # noqa: S608 - quoted
        "ON CONFLICT DO NOTHING RETURNING token",
        Staging.of(sink).new,
    )
    if noted is None:
        found = await connection.fetchval(
            f"SELECT rows FROM {ledger} WHERE token = $1",  # noqa: S608 - quoted
            Staging.of(sink).new,
        )
        return int(found)
    if known:
        demand_known(sink.columns, known)
    else:
        await _create(connection, schema, name, sink.columns)
    await _copy(connection, schema, name, sink.columns, counted)
    await connection.execute(
        f"UPDATE {ledger} SET rows = $2 WHERE token = $1",  # noqa: S608 - quoted
        Staging.of(sink).new,
        counted.rows,
    )
    return counted.rows


async def _place(connection: Any, name: str) -> tuple[str, str]:
    """Schema and name of the table to write."""
    schema, point, rest = name.partition(".")
    if point and rest:
        known = await connection.fetchval(
            "SELECT 1 FROM pg_namespace WHERE nspname = $1", schema
        )
        if known:
            return schema, rest
    near = await connection.fetchval("SELECT current_schema()")
    if near is None or len(name.encode()) > _LONGEST_NAME:
        raise SinkFailed(f"{name[:80]!r} is no name of a table there.")
    return near, name


async def _columns_of(connection: Any, schema: str, name: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT attisdropped",
        schema,
        name,
    )
    return [row["attname"] for row in rows]


async def _create(
    connection: Any, schema: str, name: str, columns: Sequence[ForeignColumn]
) -> None:
    lines = ", ".join(f"{_quoted(c.name)} {_created(c)}" for c in columns)
    await connection.execute(
        f"CREATE TABLE {_quoted(schema)}.{_quoted(name)} ({lines})"
    )


def _created(column: ForeignColumn) -> str:
    if column.type is ColumnType.TIMESTAMP:
        return "timestamptz" if column.is_zoned else "timestamp"
    return _CREATED[column.type or ColumnType.TEXT]


async def _copy(
    connection: Any,
    schema: str,
    name: str,
    columns: Sequence[ForeignColumn],
    counted: Counted,
) -> None:
    nested = [
        place
        for place, column in enumerate(columns)
        if column.type in (ColumnType.LIST, ColumnType.STRUCT)
    ]

    async def records() -> AsyncIterator[tuple[Any, ...]]:
        async for row in counted.one_by_one():
            yield _as_json(row, nested) if nested else row

    await connection.copy_records_to_table(
        name,
        schema_name=schema,
        records=records(),
        columns=[column.name for column in columns],
    )


def _as_json(row: tuple[Any, ...], nested: list[int]) -> tuple[Any, ...]:
    cells = list(row)
    for place in nested:
        if cells[place] is not None:
            cells[place] = orjson.dumps(cells[place]).decode()
    return tuple(cells)
