"""Answer one SQL statement over Parquet parts. Runs in a sandboxed child of its own.

The child may read the parts that the statement's caller may see and nothing else, write
nothing, and has no network; its database is in memory and new, so that a statement finds
nothing of another and leaves nothing behind. On top of that stand the statement check
(`sql_statement`) and the engine's own locks.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from foretell.core.columns import ColumnType
from foretell.tabular.errors import SqlInvalid, SqlTimedOut, SqlTooLarge
from foretell.tabular.sql_cells import cells_of, column_type
from foretell.tabular.sql_messages import SqlAnswer, SqlColumn, SqlQuestion, SqlTable
from foretell.tabular.sql_statement import tables_of

MAX_ANSWER_BYTES = 32 << 20
_BATCH_ROWS = 1_024
_THREADS = 2
# Not the statement's fault, and such messages name files.
_OURS = ("io error", "permission error", "internal error", "fatal error", "http error")

Report = Callable[[msgspec.Struct], None]


def answer(question: SqlQuestion, report: Report) -> SqlAnswer:
    """Run the statement.

    Raises:
        SqlInvalid, SqlRefused, SqlTableUnknown: It is not one that runs.
        SqlTimedOut, SqlTooLarge: It needs more than it gets.
    """
    del report
    tables = {table.name: table for table in question.tables}
    with _opened(question.memory_bytes) as engine:
        used = tables_of(engine, question.sql, tables)
        started = time.monotonic()
        with _limits(engine, question.timeout_seconds):
            _offer(engine, [tables[name] for name in sorted(used)])
            return _answer(engine, question, started)


@contextmanager
def _opened(memory_bytes: int) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": _THREADS,
        "memory_limit": f"{memory_bytes}B",
        "max_expression_depth": 250,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "temp_directory": "",
    }
    with duckdb.connect(":memory:", config=config) as engine:
        yield engine


def _offer(engine: duckdb.DuckDBPyConnection, tables: Sequence[SqlTable]) -> None:
    """Make views of the tables, and lock everything else."""
    engine.execute("SET TimeZone = 'UTC'")
    for table in tables:
        engine.execute(_view(table))
    paths = ", ".join(_quoted(path, "'") for table in tables for path in table.paths)
    engine.execute(f"SET allowed_paths = [{paths}]")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")


def _view(table: SqlTable) -> str:
    """SQL that makes a table's name stand for its parts.

    Columns are taken by place: the engine is blind to case, so `a` and `A` of one table
    become `a` and `A_2`.
    """
    paths = ", ".join(_quoted(path, "'") for path in table.paths)
    places = [f"c{number}" for number in range(len(table.columns))]
    names = distinct_names([column.name for column in table.columns])
    shown = ", ".join(
        f"{_cell(place, column)} AS {_quoted(name, chr(34))}"
        for place, column, name in zip(places, table.columns, names, strict=True)
    )
    return (
        f"CREATE VIEW {_quoted(table.name, chr(34))} AS SELECT {shown} "  # noqa: S608
        f"FROM read_parquet([{paths}]) AS t({', '.join(places)})"
    )


def _cell(place: str, column: SqlColumn) -> str:
    # Parquet has no durations; they are stored as microseconds.
    is_duration = column.type == ColumnType.DURATION
    return f"to_microseconds({place})" if is_duration else place


def distinct_names(names: Sequence[str]) -> list[str]:
    """Names that differ by more than case: a later one takes `_2`, `_3`, …"""
    taken = {name.lower() for name in names}
    seen: set[str] = set()
    found = []
    for name in names:
        free, number = name, 1
        while free.lower() in seen or (number > 1 and free.lower() in taken):
            number += 1
            free = f"{name}_{number}"
        seen.add(free.lower())
        found.append(free)
    return found


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote


@contextmanager
def _limits(engine: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt the engine when the time is over, and say what ended it otherwise."""
    timer = threading.Timer(seconds, engine.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise SqlTimedOut(seconds) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise SqlTooLarge from error
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _meant(error, seconds) from error
    finally:
        timer.cancel()


def _meant(error: Exception, seconds: float) -> Exception:
    """What an error says; through Arrow it reaches us as text alone."""
    text = str(error).lower()
    if "interrupt error" in text:
        return SqlTimedOut(seconds)
    if "out of memory" in text or "allocat" in text:
        return SqlTooLarge()
    if text.startswith(_OURS):
        return RuntimeError(str(error))
    first = str(error).split("\n\n")[0].split("\nLINE")[0]
    return SqlInvalid(" ".join(first.split()))


def _answer(
    engine: duckdb.DuckDBPyConnection, question: SqlQuestion, started: float
) -> SqlAnswer:
    relation = engine.sql(question.sql)
    types = [column_type(str(kind)) for kind in relation.types]
    columns = [
        SqlColumn(name, kind)
        for name, kind in zip(relation.columns, types, strict=True)
    ]
    parts: list[bytes] = []
    left, size = question.limit, 0
    is_truncated = False
    with relation.to_arrow_reader(_BATCH_ROWS) as batches:
        for batch in batches:
            is_truncated = batch.num_rows > left or size > MAX_ANSWER_BYTES
            if batch.num_rows and left and size <= MAX_ANSWER_BYTES:
                part = _rows(batch.slice(0, left), relation.types)
                parts.append(part)
                size += len(part)
                left -= min(batch.num_rows, left)
            if is_truncated:
                break
    elapsed = round((time.monotonic() - started) * 1000, 1)
    return SqlAnswer(columns, b"[" + b",".join(parts) + b"]", is_truncated, elapsed)


def _rows(batch: Any, types: Sequence[Any]) -> bytes:
    """Rows as a JSON array without its brackets."""
    columns = [
        cells_of(column, str(kind)) for column, kind in zip(batch, types, strict=True)
    ]
    return msgspec.json.encode(list(zip(*columns, strict=True)))[1:-1]
