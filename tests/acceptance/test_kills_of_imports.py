"""Kill the child, the worker or the server at any moment of an import of any kind: it
finishes or fails visibly, is never half there and never there twice.

`TEST_KILLS=50` kills as often for each kind; a few times by default. The moments are
seeded; what they hit depends on the machine.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from foretell.core.columns import ColumnType
from foretell.core.connectors import ForeignColumn, Sink, Target
from foretell.core.plugins import load_plugin
from tests.acceptance.conftest import first_admin
from tests.acceptance.processes import command, descendants, finish, is_worker, parent
from tests.acceptance.test_kills_between_steps import kill_all
from tests.connections.test_over_http import put
from tests.outside import database
from tests.served import Server
from tests.tabular.workbook_bytes import sheet_of

KILLS = int(os.environ.get("TEST_KILLS", "4"))
LINES, BAD_LINES = 150_000, 11
SHEET_ROWS = 8_000
TABLE_ROWS = 20_000
Start = Callable[[httpx2.Client, str], httpx2.Response]


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to import, and what comes of it."""

    start: Start
    rows: int
    rejects: int


@pytest.fixture
def target() -> Iterator[Target]:
    with database("postgresql") as found:
        yield found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", connection_allow="127.0.0.1").start()
    with server.running():
        yield server


def file_of_lines() -> bytes:
    lines = [f'{n},name {n % 977},"a, {n}"\n' for n in range(LINES)]
    for n in range(BAD_LINES):
        lines[n * 13_001] = "too few\n"
    return ("id,name,note\n" + "".join(lines)).encode()


def sends(content: bytes) -> Start:
    def start(client: httpx2.Client, name: str) -> httpx2.Response:
        return client.post("/api/datasets", params={"name": name}, content=content)

    return start


def reads(connection: str) -> Start:
    def start(client: httpx2.Client, name: str) -> httpx2.Response:
        source = {"connection": connection, "table": "t"}
        return client.post("/api/datasets", json={"name": name, "source": source})

    return start


async def fill(target: Target) -> None:
    """Make the outside table."""
    columns = [
        ForeignColumn("id", ColumnType.INTEGER),
        ForeignColumn("name", ColumnType.TEXT),
    ]

    async def chunks():
        for first in range(0, TABLE_ROWS, 1_000):
            yield [{"id": n, "name": f"name {n}"} for n in range(first, first + 1_000)]

    connector = load_plugin("foretell.connectors", "postgresql")()
    sink = Sink("t", columns, "replace", token="fill")
    await connector.write(target, sink, chunks())


def make_kind(kind: str, client: httpx2.Client, target: Target) -> Kind:
    if kind == "text":
        return Kind(sends(file_of_lines()), LINES - BAD_LINES, BAD_LINES)
    if kind == "workbook":
        rows: list[list[Any]] = [
            ["id", "name"],
            *([n, f"name {n}"] for n in range(SHEET_ROWS)),
        ]
        return Kind(sends(sheet_of(rows)), SHEET_ROWS, 0)
    asyncio.run(fill(target))
    return Kind(reads(put(client, target)), TABLE_ROWS, 0)


def victims(server: Server, whom: str) -> list[int]:
    """The processes that a round may kill, as they are now."""
    assert server.process is not None
    family = descendants(server.process.pid)
    if whom == "worker":
        return [pid for pid in family if is_worker(pid)]
    # A child of the sandbox is forked from its zygote and has the same command.
    return [
        pid
        for pid in family
        if "zygote" in command(pid) and "zygote" in command(parent(pid))
    ]


def wait_for_child(server: Server, seconds: float) -> None:
    """Wait until one is there, or may have been: it is the smaller part of a job."""
    deadline = time.monotonic() + 2 * seconds
    while not victims(server, "child") and time.monotonic() < deadline:
        time.sleep(0.002)


def strike(server: Server, whom: str) -> bool:
    """Kill it; whether there was one."""
    if whom == "server":
        kill_all(server)
        server.start()
        return True
    found = victims(server, whom)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def blobs_of(server: Server, name: str) -> tuple[set[str], set[str]]:
    """Files of a dataset: those that its versions name, and those that are there."""
    with contextlib.closing(sqlite3.connect(server.data_dir / "foretell.db")) as db:
        rows = db.execute(
            "SELECT d.id, v.parts, v.rejects_key FROM datasets d "
            "JOIN dataset_versions v ON v.dataset_id = d.id WHERE d.name = ?",
            (name,),
        ).fetchall()
    assert len(rows) == 1, "one version, whatever was killed"
    identifier, parts, rejects = rows[0]
    entries = json.loads(parts)
    named = {part["key"] for part in entries} | ({rejects} - {None})
    # The profile lies beside the parts; the first one names it.
    named |= {part["profile"]["key"] for part in entries if "profile" in part}
    root = server.data_dir / "blobs"
    there = (root / "datasets" / identifier).rglob("*")
    return named, {str(path.relative_to(root)) for path in there if path.is_file()}


def check(
    server: Server, client: httpx2.Client, kind: Kind, name: str, job: str
) -> str:
    """Whole, or not there and told."""
    done: dict[str, Any] = finish(client, job)
    shown = client.get(f"/api/datasets/{name}")
    if done["state"] == "failed":
        assert done["error"]["type"]
        assert done["error"]["detail"]
        assert shown.status_code == 404
        # The name is free again.
        again = kind.start(client, name)
        assert again.status_code == 202, again.text
        done = finish(client, again.headers["location"])
        shown = client.get(f"/api/datasets/{name}")
    assert done["state"] == "succeeded", done
    made = shown.json()
    assert (made["rows"], made["rejects"]) == (kind.rows, kind.rejects)
    count = client.get(f"/api/datasets/{name}/count", params={"where": "id >= 0"})
    assert count.json()["count"] == kind.rows
    versions = client.get(f"/api/datasets/{name}/versions").json()["items"]
    assert len(versions) == 1
    named, there = blobs_of(server, name)
    assert named == there
    return str(done["state"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "workbook", "connection"])
def test_an_import_that_is_killed_is_whole_or_fails_visibly(
    server: Server, target: Target, kind: str
):
    chance = random.Random(f"imports {kind}")  # noqa: S311 - when, not a secret
    key = first_admin(server)
    hit = dict.fromkeys(("child", "worker", "server"), 0)
    with server.client(key) as client:
        wanted = make_kind(kind, client, target)
        for name in ("first", "second"):  # the first one starts what the others have
            began = time.monotonic()
            answer = wanted.start(client, name)
            finish(client, answer.headers["location"])
            seconds = time.monotonic() - began
            check(server, client, wanted, name, answer.headers["location"])
    for round_ in range(KILLS):
        name, whom = f"round-{round_}", list(hit)[round_ % 3]
        with server.client(key) as client:
            answer = wanted.start(client, name)
            assert answer.status_code == 202, answer.text
            if whom == "child":
                wait_for_child(server, seconds)
            time.sleep(chance.random() * seconds * (0.3 if whom == "child" else 0.8))
            hit[whom] += strike(server, whom)
        with server.client(key) as client:
            check(server, client, wanted, name, answer.headers["location"])
    print(f"{kind}: killed {hit} in {KILLS} rounds")
    assert sum(hit.values()) >= KILLS // 3
    assert list((server.data_dir / "work").iterdir()) == []
