"""SQLite files by the standard library: opened read-only to read, written in one
transaction. Every call runs in a thread."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson

from foretell.connections.errors import (
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
    unique_names,
)

_BUSY_SECONDS = 30.0
_LONGEST_NAME = 1000
_STEPS = 20_000
_READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
}
_CLOSED = ("load_extension", "edit", "readfile", "writefile")
_TABLES = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
    "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
    "AND name NOT LIKE '\\_foretell\\_%' ESCAPE '\\' ORDER BY name"
)
_CREATED: Mapping[ColumnType, str] = {
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.INTEGER: "INTEGER",
    # As text: SQLite's own numbers would round it.
    ColumnType.DECIMAL: "DECIMAL_TEXT",
    ColumnType.FLOAT: "REAL",
    ColumnType.TEXT: "TEXT",
    ColumnType.DATE: "DATE_TEXT",
    ColumnType.TIME: "TIME_TEXT",
    ColumnType.DURATION: "INTEGER",
    ColumnType.BINARY: "BLOB",
    ColumnType.LIST: "TEXT",
    ColumnType.STRUCT: "TEXT",
}


class SqliteConnector:
    """See `foretell.core.connectors.Connector`."""

    async def check(self, target: Target) -> None:
        await self.tables(target)

    async def tables(self, target: Target) -> list[str]:
        async with _opened(target) as file:
            rows = await file.call(lambda: file.connection.execute(_TABLES).fetchall())
        return [name for (name,) in rows]

    @asynccontextmanager
    async def read(
        self, target: Target, source: Source, *, rows: int
    ) -> AsyncIterator[Reading]:
        async with _opened(target) as file:
            declared: dict[str, str] = {}
            if source.kind == "table":
                declared = await file.call(
                    lambda: _declared(file.connection, source.text)
                )
                if not declared:
                    raise SourceNotFound("table", source.text)
            statement, arguments = _statement(source)
            cursor = await file.call(
                lambda: file.connection.execute(statement, arguments)
            )
            names = unique_names([column[0] for column in cursor.description])
            kinds = [_kind_of(declared.get(name, "")) for name in names]
            columns = [
                ForeignColumn(name, kind.type, is_zoned=False)
                for name, kind in zip(names, kinds, strict=True)
            ]
            yield Reading(columns, _chunks(file, cursor, names, kinds, rows))

    async def write(
        self, target: Target, sink: Sink, chunks: AsyncIterator[Chunk]
    ) -> int:
        demand_columns(sink.columns, longest=_LONGEST_NAME, is_case_blind=True)
        counted = Counted(sink.columns, chunks)
        async with _opened(target, writes=True) as file:
            await file.call(lambda: file.connection.execute("BEGIN IMMEDIATE"))
            rows = await _write(file, sink, counted)
            await file.call(lambda: file.connection.execute("COMMIT"))
        return rows


class _File:
    """An open file and how to call it."""

    def __init__(self, connection: sqlite3.Connection, *, writes: bool) -> None:
        self.connection = connection
        self._writes = writes

    async def call(self, work: Callable[[], Any]) -> Any:
        with _translated(self._writes):
            return await asyncio.to_thread(work)


@asynccontextmanager
async def _opened(target: Target, *, writes: bool = False) -> AsyncIterator[_File]:
    with _translated(writes):
        connection = await asyncio.to_thread(_open, target, writes)
    try:
        yield _File(connection, writes=writes)
    finally:
        # A statement may still run in its thread, of a job that was cancelled.
        connection.interrupt()
        await asyncio.to_thread(connection.close)


def _open(target: Target, writes: bool) -> sqlite3.Connection:
    assert target.path is not None  # noqa: S101 - of a connection of this kind
    if writes:
        target.path.parent.mkdir(parents=True, exist_ok=True)
    mode = "rwc" if writes else "ro"
    connection = sqlite3.connect(
        f"file:{quote(str(target.path))}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = _text
    connection.execute("PRAGMA trusted_schema = OFF")
    deadline = time.monotonic() + target.timeout_seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    if not writes:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        connection.set_authorizer(_authorize)
    return connection


def _authorize(action: int, *names: Any) -> int:
    is_info = action == sqlite3.SQLITE_PRAGMA and names[0] == "table_info"
    is_closed = action == sqlite3.SQLITE_FUNCTION and names[1] in _CLOSED
    is_open = is_info or (action in _READS and not is_closed)
    return sqlite3.SQLITE_OK if is_open else sqlite3.SQLITE_DENY


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


@contextmanager
def _translated(writes: bool) -> Iterator[None]:
    try:
        yield
    except ForetellError:
        raise
    except sqlite3.OperationalError as error:
        said = str(error)
        if "unable to open" in said or "locked" in said:
            raise ConnectionUnreachable from None
        if "interrupted" in said:
            raise SourceFailed("The query was stopped: it took too long.") from None
        raise _refused(writes, error) from None
    except sqlite3.DatabaseError as error:
        raise _refused(writes, error) from None
    except (OverflowError, ValueError, sqlite3.Warning) as error:
        raise _refused(writes, error) from None


def _refused(writes: bool, error: Exception) -> ForetellError:
    code = getattr(error, "sqlite_errorname", type(error).__name__)
    if code == "SQLITE_NOTADB":
        return SourceFailed("The file is no SQLite database.")
    if writes:
        return SinkFailed(f"The database does not take the rows: {code}.")
    return SourceFailed(f"The database refuses the query: {code}.")


# --- reading ----------------------------------------------------------------------


def _declared(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    rows = connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
    return {str(row[1]): str(row[2] or "") for row in rows}


def _statement(source: Source) -> tuple[str, list[Any]]:
    if source.kind == "query":
        base = f"SELECT * FROM ({source.text}) AS source"  # noqa: S608 - checked
    else:
        base = f"SELECT * FROM {_quoted(source.text)}"  # noqa: S608 - quoted
    if source.after is None:
        return base, []
    column = _quoted(source.after.column)
    if source.after.value is None:
        return f"{base} ORDER BY {column}", []
    value = source.after.value
    plain = value if isinstance(value, int | float | bytes) else _as_text(value)
    return f"{base} WHERE {column} > ? ORDER BY {column}", [plain]


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time_of_day) else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Kind:
    """What a declared type means, and how its cells are read. A cell that is not of
    it stays as it is: SQLite stores anything anywhere."""

    def __init__(
        self, type_: ColumnType | None, read: Callable[[Any], Any] | None = None
    ) -> None:
        self.type = type_
        self.read = read

    def of(self, cell: Any) -> Any:
        if cell is None or self.read is None:
            return cell
        try:
            return self.read(cell)
        except (ValueError, TypeError, InvalidOperation):
            return cell


def _boolean(cell: Any) -> Any:
    return bool(cell) if cell in (0, 1) else cell


def _moment(cell: str) -> datetime:
    found = datetime.fromisoformat(cell)
    return found if found.tzinfo is None else found.astimezone(UTC)


def _decimal(cell: Any) -> Any:
    # A REAL is shown by its shortest text: 12.3, not the fraction that is stored.
    return Decimal(repr(cell) if isinstance(cell, float) else cell)


def _kind_of(declared: str) -> _Kind:
    words = declared.upper()
    if "BOOL" in words:
        return _Kind(ColumnType.BOOLEAN, _boolean)
    if "INT" in words:
        return _Kind(ColumnType.INTEGER)
    if "DATETIME" in words or "TIMESTAMP" in words:
        return _Kind(ColumnType.TIMESTAMP, _moment)
    if words.startswith("DATE"):
        return _Kind(ColumnType.DATE, date.fromisoformat)
    if words.startswith("TIME"):
        return _Kind(ColumnType.TIME, time_of_day.fromisoformat)
    if "DEC" in words or "NUMERIC" in words:
        return _Kind(ColumnType.DECIMAL, _decimal)
    if any(word in words for word in ("REAL", "FLOA", "DOUB")):
        return _Kind(ColumnType.FLOAT)
    if "BLOB" in words:
        return _Kind(ColumnType.BINARY)
    return _Kind(ColumnType.TEXT if words else None)


async def _chunks(
    file: _File,
    cursor: sqlite3.Cursor,
    names: Sequence[str],
    kinds: Sequence[_Kind],
    rows: int,
) -> AsyncIterator[Chunk]:
    def fetch() -> list[dict[str, Any]]:
        return [
            {n: k.of(cell) for n, k, cell in zip(names, kinds, row, strict=True)}
            for row in cursor.fetchmany(rows)
        ]

    while chunk := await file.call(fetch):
        yield chunk


# --- writing ----------------------------------------------------------------------


async def _write(file: _File, sink: Sink, counted: Counted) -> int:
    connection = file.connection
    known = list(await file.call(lambda: _declared(connection, sink.name)))
    token = Staging.of(sink)
    if sink.mode == "append":
        found = await file.call(lambda: _noted(connection, token.new))
        if found is not None:
            return int(found)
        if known:
            demand_known(sink.columns, known)
        into = sink.name
    else:
        into = token.new
    if sink.mode == "replace" or not known:
        lines = ", ".join(f"{_quoted(c.name)} {_created(c)}" for c in sink.columns)
        create = f"CREATE TABLE {_quoted(into)} ({lines})"
        await file.call(lambda: connection.execute(create))
    names = ", ".join(_quoted(c.name) for c in sink.columns)
    marks = ", ".join("?" for _ in sink.columns)
    insert = f"INSERT INTO {_quoted(into)} ({names}) VALUES ({marks})"  # noqa: S608
    async for chunk in counted.chunks():
        rows = [[_cell(value) for value in row] for row in chunk]
        await file.call(partial(connection.executemany, insert, rows))
    await file.call(lambda: _finish(connection, sink, token, counted.rows, bool(known)))
    return counted.rows


def _noted(connection: sqlite3.Connection, token: str) -> int | None:
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {LEDGER} (token TEXT PRIMARY KEY, rows INTEGER)"
    )
    select = f"SELECT rows FROM {LEDGER} WHERE token = ?"  # noqa: S608 - a constant
    row = connection.execute(select, [token]).fetchone()
    return None if row is None else int(row[0])


def _finish(
    connection: sqlite3.Connection,
    sink: Sink,
    token: Staging,
    rows: int,
    is_there: bool,
) -> None:
    if sink.mode == "append":
        insert = f"INSERT INTO {LEDGER} VALUES (?, ?)"  # noqa: S608 - a constant
        connection.execute(insert, [token.new, rows])
        return
    if is_there:
        connection.execute(f"DROP TABLE {_quoted(sink.name)}")
    connection.execute(
        f"ALTER TABLE {_quoted(token.new)} RENAME TO {_quoted(sink.name)}"
    )


def _created(column: ForeignColumn) -> str:
    if column.type is ColumnType.TIMESTAMP:
        return "TIMESTAMP_TEXT"
    return _CREATED[column.type or ColumnType.TEXT]


def _cell(value: Any) -> Any:
    if isinstance(value, datetime | date | time_of_day):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    if hasattr(value, "total_seconds"):
        return round(value.total_seconds() * 1_000_000)
    return value
