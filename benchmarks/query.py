"""`make bench-query`: pages, points and scans over HTTP, against peers in one run.

The same generated table lies in a dataset, in PostgreSQL (primary key, index on the
e-mail) behind FastAPI and asyncpg, and in one Parquet file that bare polars and bare
DuckDB read in this process, with JSON bytes as the last step. Milliseconds are medians
of a few calls one after another; requests per second are those of 16 connections.
`ROWS=` sets the size of the table.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import duckdb
import httpx2
import polars as pl

from benchmarks import load, processes, tables

PYTHON = sys.executable
TABLE = "foretell_bench_rows"
DSN = os.environ.get("PEER_DSN", "postgresql://postgres@127.0.0.1:5432/postgres")
SECONDS = 1.0
_SHARE = 0.7


def addresses(base: str, rows: int, cursors: dict[str, str]) -> dict[str, str]:
    """What Foretell is asked, by name."""
    middle = int(rows * _SHARE)
    asked = {
        "first": ("rows", {"limit": 100}),
        "deepest": ("rows", {"limit": 100, "after_row": rows - 100}),
        "keyset": ("rows", {"limit": 100, "cursor": cursors["keyset"]}),
        "point": ("rows", {"where": f"id = {middle}"}),
        "email": ("rows", {"where": f"email = 'user{middle}@example.org'"}),
        "sorted": ("rows", {"limit": 100, "sort": "-price"}),
        "group": ("aggregate", {"by": "country", "measures": "count,mean(price)"}),
        "distinct": ("aggregate", {"measures": "distinct(sku)"}),
        "contains": ("count", {"where": "note LIKE '%a, b%'"}),
    }
    return {
        name: f"{base}/{route}?{urllib.parse.urlencode(params)}"
        for name, (route, params) in asked.items()
    }


def bare_polars(path: Path, rows: int) -> dict[str, Callable[[], bytes]]:
    """The same by polars on the file, down to JSON bytes."""
    middle = int(rows * _SHARE)
    scan = pl.scan_parquet(path)
    price, note = pl.col("price"), pl.col("note")
    plans = {
        "first": scan.head(100),
        "deepest": scan.slice(rows - 100, 100),
        "keyset": scan.filter(pl.col("id") > middle).head(100),
        "point": scan.filter(pl.col("id") == middle),
        "email": scan.filter(pl.col("email") == f"user{middle}@example.org"),
        "sorted": scan.sort("price", descending=True, nulls_last=True).head(100),
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


def bare_duckdb(path: Path, rows: int) -> dict[str, Callable[[], bytes]]:
    """The same by DuckDB on the file, down to JSON bytes."""
    middle = int(rows * _SHARE)
    queries = {
        "first": "SELECT * FROM t LIMIT 100",
        "deepest": f"SELECT * FROM t LIMIT 100 OFFSET {rows - 100}",
        "keyset": f"SELECT * FROM t WHERE id > {middle} ORDER BY id LIMIT 100",
        "point": f"SELECT * FROM t WHERE id = {middle}",
        "email": f"SELECT * FROM t WHERE email = 'user{middle}@example.org'",
        "sorted": "SELECT * FROM t ORDER BY price DESC NULLS LAST LIMIT 100",
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


def timed(call: Callable[[], object]) -> float:
    """The median milliseconds of a call, over a second or seven calls."""
    call()
    took: list[float] = []
    until = time.perf_counter() + SECONDS
    while len(took) < 7 and (len(took) < 3 or time.perf_counter() < until):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def over_http(url: str, headers: dict[str, str]) -> tuple[float, float]:
    """Median milliseconds at one connection, requests per second at sixteen."""
    with httpx2.Client(headers=headers, timeout=120) as client:
        one = timed(lambda: client.get(url).raise_for_status())
    message = _get(url, headers)
    count = 4 if one > 400 else 100_000
    many = asyncio.run(
        load.run(url, message, connections=16, count=16 * count, seconds=SECONDS)
    )
    assert not many.failures, url
    return one, many.requests / many.seconds


def _get(url: str, headers: dict[str, str]) -> bytes:
    parts = urllib.parse.urlsplit(url)
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def start_foretell(stack: ExitStack, folder: Path, path: Path) -> tuple[str, str]:
    """A server with the dataset `bench`; gives its address and a key."""
    url = f"http://127.0.0.1:{processes.free_port()}"
    environment = {"FORETELL_DATA_DIR": str(folder / "data")}
    command = [PYTHON, "-m", "foretell", "serve", "--port", url.rpartition(":")[2]]
    stack.enter_context(processes.served(command, f"{url}/healthz", **environment))

    def run(*arguments: str, text: str | None = None) -> str:
        return subprocess.run(
            [PYTHON, "-m", "foretell", *arguments],
            env={**os.environ, **environment},
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    run("user", "create", "bench@example.org", text="correct horse battery\n")
    key = json.loads(run("key", "create", "--name", "bench", "--json"))["key"]
    with path.open("rb") as file:
        answer = httpx2.post(
            f"{url}/api/datasets",
            data={"name": "bench"},
            files={"file": file},
            headers={"Authorization": f"Bearer {key}", "Prefer": "wait=60"},
            timeout=600,
        )
    answer.raise_for_status()
    client = httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60)
    with client:
        while client.get(f"{url}/api/datasets/bench").status_code == 404:
            time.sleep(0.5)
    return f"{url}/api/datasets/bench", key


async def fill_postgres(path: Path) -> None:
    """The table in PostgreSQL, indexed and analysed."""
    connection = await asyncpg.connect(DSN)
    frame = pl.read_parquet(path)
    types = {pl.Int64: "bigint", pl.Float64: "double precision", pl.Boolean: "boolean"}
    types |= {pl.Date: "date", pl.Datetime: "timestamp"}
    columns = ", ".join(
        f"{name} {types.get(type(kind), 'text')}" for name, kind in frame.schema.items()
    )
    try:
        await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
        await connection.execute(f"CREATE UNLOGGED TABLE {TABLE} ({columns})")
        for part in frame.iter_slices(100_000):
            await connection.copy_records_to_table(TABLE, records=part.iter_rows())
        await connection.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")
        await connection.execute(f"CREATE INDEX ON {TABLE} (email)")
        await connection.execute(f"ANALYZE {TABLE}")
    finally:
        await connection.close()


async def drop_postgres() -> None:
    connection = await asyncpg.connect(DSN)
    await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
    await connection.close()


def start_postgres(stack: ExitStack, path: Path) -> str:
    """The peer's address; its table goes with the stack."""
    asyncio.run(fill_postgres(path))
    stack.callback(lambda: asyncio.run(drop_postgres()))
    url = f"http://127.0.0.1:{processes.free_port()}"
    command = [PYTHON, "-m", "uvicorn", "benchmarks.peers.rows_over_postgres:app"]
    command += ["--port", url.rpartition(":")[2], "--loop", "uvloop", "--no-access-log"]
    stack.enter_context(
        processes.served(command, f"{url}/healthz", PEER_DSN=DSN, PEER_TABLE=TABLE)
    )
    return url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        path = folder / "bench.parquet"
        parts = [
            tables.batch(at, min(100_000, rows - at), 1)
            for at in range(0, rows, 100_000)
        ]
        pl.concat(parts).write_parquet(path, compression="zstd")
        del parts
        base, key = start_foretell(stack, folder, path)
        peer = start_postgres(stack, path)
        report(base, key, peer, path, rows)


def report(base: str, key: str, peer: str, path: Path, rows: int) -> None:
    """Measure each question everywhere and print one line for it."""
    headers = {"Authorization": f"Bearer {key}"}
    middle = int(rows * _SHARE)
    start = httpx2.get(f"{base}/rows?limit=1&after_row={middle}", headers=headers)
    ours = addresses(base, rows, {"keyset": start.json()["next"]})
    values = {"deepest": ("keyset", rows - 101), "keyset": ("keyset", middle)}
    values |= {
        "point": ("point", middle),
        "email": ("email", f"user{middle}@example.org"),
    }
    plain, engine = bare_polars(path, rows), bare_duckdb(path, rows)
    print(f"{rows} rows | Foretell ms, /s | PostgreSQL ms, /s | polars ms | DuckDB ms")
    for name, url in ours.items():
        at, value = values.get(name, (name, None))
        theirs = f"{peer}/{at}" + ("" if value is None else f"?value={value}")
        one, many = over_http(url, headers)
        peer_one, peer_many = over_http(theirs, {})
        bare = [timed(plain[name]), timed(engine[name])]
        print(
            f"{name} | {one:.1f}, {many:.0f} | {peer_one:.1f}, {peer_many:.0f} | "
            f"{bare[0]:.1f} | {bare[1]:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
