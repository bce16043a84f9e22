"""`make bench-query`: pages, points and scans over HTTP, against peers in one run.

The same generated table lies in a dataset; in SQLite behind Datasette; in PostgreSQL
behind FastAPI and asyncpg (both with a primary key and indexes on the e-mail, the token
and country with price); and in one Parquet file that bare polars and bare DuckDB read in
this process, with JSON bytes as the last step. Milliseconds are medians of a few calls
one after another; requests per second are those of 16 connections. Pages behind a
cursor, points and tokens are random ones, so nothing is answered twice.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx2
import polars as pl

from benchmarks import load, processes, query_peers, tables

PYTHON = sys.executable
SECONDS = 1.0
VALUES = 400
SEED = 11


def questions(
    base: str, rows: int, cursors: Sequence[str], ids: Sequence[int], tokens: list[str]
) -> query_peers.Questions:
    """What Foretell is asked, by name."""

    def ask(route: str, **params: object) -> str:
        return f"{base}/{route}?{urllib.parse.urlencode(params)}"

    some = "country = 'CH' AND price > 100"
    return {
        "first": [ask("rows", limit=100)],
        "deepest": [ask("rows", limit=100, after_row=rows - 100)],
        "keyset": [ask("rows", limit=100, cursor=each) for each in cursors],
        "point": [ask("rows", where=f"id = {each}") for each in ids],
        "token": [ask("rows", where=f"token = '{each}'") for each in tokens],
        "sorted": [ask("rows", limit=100, sort="-price")],
        "filtered": [ask("rows", limit=100, where=some, sort="-price")],
        # Answers are kept by what was asked, so each is asked a little differently.
        "group": [
            ask("aggregate", by="country", measures="count,mean(price)", limit=n)
            for n in range(100, 100 + VALUES)
        ],
        "distinct": [
            ask("aggregate", measures="distinct(sku)", limit=n)
            for n in range(100, 100 + VALUES)
        ],
        "contains": [
            ask("count", where="note LIKE '%a, b%'" + " " * n, timeout_s=60)
            for n in range(VALUES)
        ],
    }


def timed(calls: Sequence[Callable[[], object]]) -> float:
    """The median milliseconds of a call, over a second and three calls at least."""
    turns = itertools.cycle(calls)
    next(turns)()
    took: list[float] = []
    until = time.perf_counter() + SECONDS
    while len(took) < 3 or (len(took) < 200 and time.perf_counter() < until):
        call = next(turns)
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def over_http(
    urls: str | Sequence[str], headers: dict[str, str]
) -> tuple[float, float]:
    """Median milliseconds at one connection, requests per second at sixteen."""
    urls = [urls] if isinstance(urls, str) else urls
    with httpx2.Client(headers=headers, timeout=300) as client:

        def get(url: str) -> None:
            client.get(url).raise_for_status()

        one = timed([lambda url=url: get(url) for url in urls])
    messages = [_get(url, headers) for url in urls]
    # Other ones than were just asked for.
    turned = messages[len(messages) // 2 :] + messages[: len(messages) // 2]
    count = 4 if one > 400 else 100_000
    many = asyncio.run(
        load.run(urls[0], turned, connections=16, count=16 * count, seconds=SECONDS)
    )
    assert not many.failures, urls[0]
    return one, many.requests / many.seconds


def _get(url: str, headers: dict[str, str]) -> bytes:
    parts = urllib.parse.urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    lines = [f"GET {parts.path}{query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def start_foretell(stack: ExitStack, folder: Path, path: Path) -> tuple[str, str]:
    """A server with the dataset `bench`; gives its address and a key."""
    url = f"http://127.0.0.1:{processes.free_port()}"
    environment = {"FORETELL_DATA_DIR": str(folder / "data")}
    command = [PYTHON, "-m", "foretell", "serve", "--port", url.rpartition(":")[2]]
    stack.enter_context(processes.served(command, f"{url}/healthz", **environment))

    def run(*arguments: str, text: str | None = None) -> str:
        return processes.foretell(environment, *arguments, text=text)

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


def write_table(path: Path, rows: int) -> None:
    """The table as one file, written and read in pieces."""
    pieces = path.with_suffix(".pieces")
    pieces.mkdir()
    for at in range(0, rows, 100_000):
        frame = tables.batch(at, min(100_000, rows - at), 1)
        frame.write_parquet(pieces / f"{at:09d}.parquet")
    pl.scan_parquet(pieces / "*.parquet").sink_parquet(path, compression="zstd")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--without", nargs="*", default=[], help="postgresql datasette")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        path = folder / "bench.parquet"
        write_table(path, asked.rows)
        base, key = start_foretell(stack, folder, path)
        peers = start_peers(stack, folder, path, set(asked.without))
        report(base, key, peers, path, asked.rows)
        sizes(folder)


def start_peers(
    stack: ExitStack, folder: Path, path: Path, without: set[str]
) -> dict[str, str | None]:
    found: dict[str, str | None] = {"postgresql": None, "datasette": None}
    if "datasette" not in without:
        database = folder / "bench.sqlite"
        query_peers.fill_sqlite(path, database)
        found["datasette"] = query_peers.start_datasette(stack, folder, database)
    if "postgresql" not in without:
        found["postgresql"] = query_peers.start_postgres(stack, path)
    return found


def report(
    base: str, key: str, peers: dict[str, str | None], path: Path, rows: int
) -> None:
    """Measure each question everywhere and print one line for it."""
    headers = {"Authorization": f"Bearer {key}"}
    ids = random.Random(SEED).sample(range(rows - 200), VALUES)  # noqa: S311
    wanted = pl.scan_parquet(path).filter(pl.col("id").is_in(ids)).select("token")
    tokens = wanted.collect()["token"].to_list()
    with httpx2.Client(headers=headers, timeout=60) as client:
        cursors = [
            client.get(f"{base}/rows?limit=1&after_row={each}").json()["next"]
            for each in ids
        ]
        # The first of these makes the files that answer the others.
        client.get(f"{base}/rows", params={"where": f"token = '{tokens[0]}'"})
    ours = questions(base, rows, cursors, ids, tokens)
    pg, ds = peers["postgresql"], peers["datasette"]
    theirs = [
        query_peers.postgres_questions(pg, rows, ids, tokens) if pg else {},
        query_peers.datasette_questions(ds, rows, ids, tokens) if ds else {},
    ]
    plain = query_peers.bare_polars(path, rows, tokens[1])
    engine = query_peers.bare_duckdb(path, rows, tokens[1])
    heads = ("Foretell", "PostgreSQL", "Datasette", "polars", "DuckDB")
    print(f"{rows} rows | " + " | ".join(heads))
    time.sleep(2)
    for name, urls in ours.items():
        cells = [_cell(urls, headers)]
        cells += [_cell(peer[name], {}) if name in peer else "" for peer in theirs]
        cells += [f"{timed([bare[name]]):.1f} ms" for bare in (plain, engine)]
        print(f"{name} | " + " | ".join(cells), flush=True)
    beside_aggregates(base, headers, ours["keyset"])


def _cell(urls: Sequence[str], headers: dict[str, str]) -> str:
    one, many = over_http(urls, headers)
    return f"{one:.1f} ms, {many:.0f}/s"


def beside_aggregates(base: str, headers: dict[str, str], urls: Sequence[str]) -> None:
    """Pages alone, and while sixteen callers group by without pause."""
    messages = [_get(url, headers) for url in urls]

    def pages(seconds: float) -> load.Load:
        return asyncio.run(
            load.run(urls[0], messages, connections=1, count=1_000_000, seconds=seconds)
        )

    alone = pages(5)
    groups = [
        _get(f"{base}/aggregate?by=sku&measures=count,mean(price)&limit={n}", headers)
        for n in range(1, 2_000)
    ]
    beside = threading.Thread(
        target=lambda: asyncio.run(
            load.run(base, groups, connections=16, count=10_000, seconds=8)
        )
    )
    beside.start()
    time.sleep(1)
    busy = pages(5)
    beside.join()
    print(
        f"a page, p50 and p99: alone {alone.p50_ms:.1f}, {alone.p99_ms:.1f} ms; beside "
        f"16 aggregates {busy.p50_ms:.1f}, {busy.p99_ms:.1f} ms"
    )


def sizes(folder: Path) -> None:
    """What the table takes on disk."""
    datasets = folder / "data" / "blobs" / "datasets"
    files = [path for path in datasets.rglob("*") if path.is_file()]
    ours = sum(path.stat().st_size for path in files)
    filters = sum(p.stat().st_size for p in files if ".parquet." in p.name)
    database = folder / "bench.sqlite"
    theirs = database.stat().st_size if database.exists() else 0
    print(
        f"MiB on disk: Foretell {ours >> 20}, of which {filters >> 20} help to find one "
        f"token; SQLite {theirs >> 20}"
    )


if __name__ == "__main__":
    main()
