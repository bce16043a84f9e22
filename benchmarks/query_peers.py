"""The peers of `make bench-query`: two servers and two bare engines on one table.

Datasette gets a virtual environment of its own, since it is nothing that Foretell needs.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import asyncpg
import duckdb
import polars as pl

from benchmarks import processes

TABLE = "foretell_bench_rows"
DSN = os.environ.get("PEER_DSN", "postgresql://postgres@127.0.0.1:5432/postgres")
DATASETTE = "datasette==0.65.5"
_LIMITS = {"sql_time_limit_ms": 120_000, "num_sql_threads": 4, "allow_facet": "off"}

Questions = dict[str, Sequence[str]]
"""Addresses by the name of the question; several stand for random values."""


def bare_polars(path: Path, rows: int, token: str) -> dict[str, Callable[[], bytes]]:
    """The questions answered by polars on the file, down to JSON bytes."""
    middle = int(rows * 0.7)
    scan = pl.scan_parquet(path)
    price, note = pl.col("price"), pl.col("note")
    plans = {
        "first": scan.head(100),
        "deepest": scan.slice(rows - 100, 100),
        "keyset": scan.filter(pl.col("id") > middle).head(100),
        "point": scan.filter(pl.col("id") == middle),
        "token": scan.filter(pl.col("token") == token),
        "sorted": scan.sort("price", descending=True, nulls_last=True).head(100),
        "filtered": scan.filter(pl.col("country") == "CH", price > 100)
        .sort("price", descending=True)
        .head(100),
        "group": scan.group_by("country").agg(pl.len(), price.mean()),
        "distinct": scan.select(pl.col("sku").n_unique()),
        "contains": scan.filter(note.str.contains("a, b", literal=True)).select(
            pl.len()
        ),
    }
    return {
        name: lambda plan=plan: plan.collect(engine="streaming").write_ndjson().encode()
        for name, plan in plans.items()
    }


def bare_duckdb(path: Path, rows: int, token: str) -> dict[str, Callable[[], bytes]]:
    """The questions answered by DuckDB on the file, down to JSON bytes."""
    middle = int(rows * 0.7)
    queries = {
        "first": "SELECT * FROM t LIMIT 100",
        "deepest": f"SELECT * FROM t LIMIT 100 OFFSET {rows - 100}",
        "keyset": f"SELECT * FROM t WHERE id > {middle} ORDER BY id LIMIT 100",
        "point": f"SELECT * FROM t WHERE id = {middle}",
        "token": f"SELECT * FROM t WHERE token = '{token}'",
        "sorted": "SELECT * FROM t ORDER BY price DESC NULLS LAST LIMIT 100",
        "filtered": "SELECT * FROM t WHERE country = 'CH' AND price > 100 "
        "ORDER BY price DESC LIMIT 100",
        "group": "SELECT country, count(*), avg(price) FROM t GROUP BY country",
        "distinct": "SELECT count(DISTINCT sku) FROM t",
        "contains": "SELECT count(*) FROM t WHERE note LIKE '%a, b%'",
    }
    engine = duckdb.connect(":memory:", config={"threads": 2})
    engine.execute(f"CREATE VIEW t AS SELECT * FROM read_parquet('{path}')")
    return {
        name: lambda sql=sql: engine.sql(sql).pl().write_ndjson().encode()
        for name, sql in queries.items()
    }


def start_postgres(stack: ExitStack, path: Path) -> str:
    """FastAPI and asyncpg over the table; it goes with the stack."""
    asyncio.run(_fill_postgres(path))
    stack.callback(lambda: asyncio.run(_drop_postgres()))
    url = f"http://127.0.0.1:{processes.free_port()}"
    command = [sys.executable, "-m", "uvicorn"]
    command += ["benchmarks.peers.rows_over_postgres:app", "--no-access-log"]
    command += ["--port", url.rpartition(":")[2], "--loop", "uvloop"]
    stack.enter_context(
        processes.served(command, f"{url}/healthz", PEER_DSN=DSN, PEER_TABLE=TABLE)
    )
    return url


def postgres_questions(
    url: str, rows: int, ids: Sequence[int], tokens: Sequence[str]
) -> Questions:
    """What PostgreSQL's server is asked."""
    found: Questions = {
        name: [f"{url}/{name}"]
        for name in ("first", "sorted", "filtered", "group", "distinct", "contains")
    }
    found["deepest"] = [f"{url}/keyset?value={rows - 101}"]
    for name in ("keyset", "point"):
        found[name] = [f"{url}/{name}?value={each}" for each in ids]
    found["token"] = [f"{url}/token?value={each}" for each in tokens]
    return found


async def _fill_postgres(path: Path) -> None:
    connection = await asyncpg.connect(DSN)
    scan = pl.scan_parquet(path)
    types = {pl.Int64: "bigint", pl.Float64: "double precision", pl.Boolean: "boolean"}
    types |= {pl.Date: "date", pl.Datetime: "timestamp"}
    columns = ", ".join(
        f"{name} {types.get(type(kind), 'text')}"
        for name, kind in scan.collect_schema().items()
    )
    try:
        await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
        await connection.execute(f"CREATE UNLOGGED TABLE {TABLE} ({columns})")
        for part in _slices(path):
            await connection.copy_records_to_table(TABLE, records=part.iter_rows())
        await connection.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")
        for indexed in ("email", "token", "country, price"):
            await connection.execute(f"CREATE INDEX ON {TABLE} ({indexed})")
        await connection.execute(f"ANALYZE {TABLE}")
    finally:
        await connection.close()


async def _drop_postgres() -> None:
    connection = await asyncpg.connect(DSN)
    await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
    await connection.close()


def _slices(path: Path) -> Iterator[pl.DataFrame]:
    scan = pl.scan_parquet(path)
    rows = scan.select(pl.len()).collect().item()
    for at in range(0, rows, 100_000):
        yield scan.slice(at, 100_000).collect()


def fill_sqlite(path: Path, database: Path) -> None:
    """The same table with the same indexes in SQLite."""
    kinds = {pl.Int64: "INTEGER", pl.Float64: "REAL", pl.Boolean: "INTEGER"}
    schema = pl.scan_parquet(path).collect_schema()
    columns = [
        f"{name} {kinds.get(type(kind), 'TEXT')}"
        + (" PRIMARY KEY" if name == "id" else "")
        for name, kind in schema.items()
    ]
    times = [name for name, kind in schema.items() if kind.is_temporal()]
    marks = ", ".join("?" for _ in columns)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"CREATE TABLE rows ({', '.join(columns)})")
        for part in _slices(path):
            ready = part.with_columns(pl.col(times).cast(pl.String))
            insert = f"INSERT INTO rows VALUES ({marks})"
            connection.executemany(insert, ready.iter_rows())
        for number, indexed in enumerate(("email", "token", "country, price")):
            connection.execute(f"CREATE INDEX by_{number} ON rows ({indexed})")
        connection.execute("ANALYZE")
        connection.commit()


def start_datasette(stack: ExitStack, folder: Path, database: Path) -> str:
    """Datasette over the SQLite file."""
    home = folder / "datasette"
    python = str(home / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", DATASETTE], check=True)
    url = f"http://127.0.0.1:{processes.free_port()}"
    command = [python, "-m", "datasette", "serve", "-i", str(database)]
    command += ["--port", url.rpartition(":")[2]]
    for name, value in _LIMITS.items():
        command += ["--setting", name, str(value)]
    stack.enter_context(processes.served(command, f"{url}/-/versions.json"))
    return f"{url}/{database.stem}"


def datasette_questions(
    url: str, rows: int, ids: Sequence[int], tokens: Sequence[str]
) -> Questions:
    """What Datasette is asked; its pages without the count that they run by default."""
    quick = "_size=100&_shape=array&_nocount=1&_nofacet=1&_nosuggest=1"

    def sql(text: str) -> list[str]:
        return [f"{url}.json?_shape=array&sql={urllib.parse.quote(text)}"]

    return {
        "first": [f"{url}/rows.json?{quick}"],
        "deepest": [f"{url}/rows.json?{quick}&_next={rows - 101}"],
        "keyset": [f"{url}/rows.json?{quick}&_next={each}" for each in ids],
        "point": [f"{url}/rows/{each}.json?_shape=array" for each in ids],
        "token": [f"{url}/rows.json?{quick}&token__exact={each}" for each in tokens],
        "sorted": [f"{url}/rows.json?{quick}&_sort_desc=price"],
        "filtered": [
            f"{url}/rows.json?{quick}&country__exact=CH&price__gt=100&_sort_desc=price"
        ],
        "group": sql("SELECT country, count(*), avg(price) FROM rows GROUP BY country"),
        "distinct": sql("SELECT count(DISTINCT sku) FROM rows"),
        "contains": sql("SELECT count(*) FROM rows WHERE note LIKE '%a, b%'"),
    }
