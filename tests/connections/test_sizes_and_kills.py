"""Many rows each way, and deaths in the middle."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from foretell.core.connectors import Source, Target
from foretell.core.plugins import load_plugin
from tests.connections.conftest import Reach
from tests.connections.test_over_http import put, rows
from tests.outside import database
from tests.served import Server, unique, upload

PATIENCE = 150.0


def finished(client: httpx2.Client, answer: httpx2.Response) -> dict[str, Any]:
    """The job of an answer once it is over."""
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(answer.headers["location"]).json()
        if job["state"] in ("succeeded", "failed", "cancelled"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"not over: {job}")


def table_of(count: int) -> str:
    lines = [f'{n},"name {n}",{n}.25,2026-01-{n % 28 + 1:02}' for n in range(count)]
    return "id,name,price,day\n" + "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "place", "count"),
    [
        ("postgresql", "table", 100_000),
        ("mysql", "table", 100_000),
        ("mongodb", "collection", 20_000),
    ],
    indirect=["target"],
)
def test_many_rows_go_out_and_come_back(
    reach: Reach, target: Target, place: str, count: int
):
    editor, dataset = reach.editor, unique("many")
    options = {"types": {"price": "decimal"}}
    made = upload(editor, dataset, table_of(count), options=options)
    assert made.status_code == 201, made.text
    said = {"connection": put(editor, target), place: "many"}
    out = editor.post(
        f"/api/datasets/{dataset}/export", json={**said, "mode": "replace"}
    )
    job = finished(editor, out)
    assert job["state"] == "succeeded", job
    assert job["result"]["rows"] == count
    back = editor.post("/api/datasets", json={"name": f"{dataset}-2", "source": said})
    assert finished(editor, back)["state"] == "succeeded"
    shown = editor.get(f"/api/datasets/{dataset}-2").json()
    assert shown["rows"] == count
    found = {column["name"]: column["type"] for column in shown["columns"]}
    found.pop("_id", None)
    day = "timestamp" if target.kind == "mongodb" else "date"
    assert found == {"id": "integer", "name": "text", "price": "decimal", "day": day}
    last = editor.get(
        f"/api/datasets/{dataset}-2/rows", params={"where": f"id = {count - 1}"}
    ).json()["items"]
    assert [row["price"] for row in last] == [f"{count - 1}.25"]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[tuple[Server, httpx2.Client]]:
    """A server whose workers are killed."""
    server = Server(tmp_path / "data", connection_allow="127.0.0.1").start()
    with server.running(), server.client(server.make_admin()) as client:
        yield server, client


def workers_of(server: Server) -> list[int]:
    """Processes below the server that run jobs: all of its descendants."""
    assert server.process is not None
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found, waiting = [], [server.process.pid]
    while waiting:
        parent = waiting.pop()
        children = [pid for pid, of in parents.items() if of == parent]
        found += children
        waiting += children
    return found


async def content(target: Target) -> list[dict[str, Any]]:
    """What stands in the outside table."""
    connector = load_plugin("foretell.connectors", target.kind)()
    async with connector.read(target, Source("table", "t"), rows=5_000) as reading:
        return [row async for chunk in reading.chunks for row in chunk]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_worker_that_is_killed_leaves_nothing_half(
    own_server: tuple[Server, httpx2.Client], kind: str, mode: str
):
    server, client = own_server
    dataset, count = unique("killed"), 30_000
    assert upload(client, dataset, table_of(count)).status_code == 201
    small = unique("small")
    assert upload(client, small, table_of(3)).status_code == 201
    with database(kind) as target:
        said = {"connection": put(client, target), "table": "t"}
        path = "/api/datasets/{}/export"
        first = client.post(path.format(small), json={**said, "mode": "replace"})
        assert finished(client, first)["state"] == "succeeded"
        answer = client.post(path.format(dataset), json={**said, "mode": mode})
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:  # until some rows are on their way
            job = client.get(answer.headers["location"]).json()
            if job["progress"]["done"] or job["state"] == "succeeded":
                break
            time.sleep(0.01)
        for pid in workers_of(server):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        before = asyncio.run(content(target))
        assert len(before) in {3, count + (3 if mode == "append" else 0)}
        assert finished(client, answer)["state"] == "succeeded"
        after = [row["id"] for row in asyncio.run(content(target))]
        kept = list(range(3)) if mode == "append" else []
        assert sorted(after) == sorted([*range(count), *kept])
        connector = load_plugin("foretell.connectors", kind)()
        left = {"t", "foretell_exports"} if mode == "append" else {"t"}
        assert set(asyncio.run(connector.tables(target))) == left


def test_an_import_that_fails_frees_the_name(reach: Reach):
    connection = put(
        reach.editor, Target("postgresql", "127.0.0.1", port=1, database="d")
    )
    name = unique("freed")
    body = {"name": name, "source": {"connection": connection, "table": "t"}}
    answer = reach.editor.post("/api/datasets", json=body)
    job = answer.headers["location"]
    taken = reach.editor.post("/api/datasets", json=body)
    assert taken.status_code == 409
    assert reach.editor.post(f"{job}/cancel").status_code == 200
    finished(reach.editor, answer)
    assert upload(reach.editor, name, "a\n1\n").status_code == 201
    assert rows(reach.editor, name) == [{"a": 1}]
