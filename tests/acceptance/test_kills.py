"""Kill things in the middle of an import: nothing is lost, nothing is half there."""

import os
import signal
import time
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.processes import command, descendants, finish, is_worker
from tests.served import Server

ROWS = 1_000_000
BAD_LINES = 12


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "data").start()
    with server.running():
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file whose bad rows are known: one cell too few in each of twelve."""
    path = tmp_path / "rows.csv"
    step = ROWS // BAD_LINES
    with path.open("w") as file:
        file.write("id,name,amount,note\n")
        for start in range(0, ROWS, step):
            lines = [
                f'{n},name {n % 977},{n / 7:.3f},"a, ""quoted"" note {n}"\n'
                for n in range(start, min(start + step, ROWS))
            ]
            lines[0] = f"{start},only two cells\n"
            file.writelines(lines)
    return path


def start_import(client: httpx2.Client, source: Path) -> str:
    with source.open("rb") as body:
        answer = client.post("/api/datasets?name=big", content=body)
    assert answer.status_code == 202, answer.text
    path: str = answer.headers["location"]
    return path


def worker_of(
    server: Server, client: httpx2.Client, job: str, *, after: int = 0
) -> int:
    """The process that runs the job, once it has read something.

    Args:
        after: The worker before, which is dead.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.get(job).json()
        if found["state"] == "running" and found["progress"]["done"]:
            assert server.process is not None
            workers = [p for p in descendants(server.process.pid) if is_worker(p)]
            if workers and workers[0] != after:
                return workers[0]
        assert found["state"] in ("queued", "running"), found
        time.sleep(0.01)
    raise AssertionError("the import never started")


@pytest.mark.slow
def test_an_import_survives_its_worker_and_its_server(server, source):
    key = server.make_admin()
    with server.client(key) as client:
        job = start_import(client, source)
        worker = worker_of(server, client, job)
        os.kill(worker, signal.SIGKILL)
        worker_of(server, client, job, after=worker)
        assert client.get("/api/datasets/big").status_code == 404
    assert server.process is not None
    family = descendants(server.process.pid)
    server.stop(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any("foretell" in command(pid) for pid in family):
        assert time.monotonic() < deadline, "children outlived their server"
        time.sleep(0.05)
    server.start()
    with server.client(key) as client:
        done = finish(client, job)
        assert done["state"] == "succeeded", done
        assert done["attempt"] == 1, "death of a worker uses no attempt"
        dataset = client.get("/api/datasets/big").json()
        assert (dataset["rows"], dataset["rejects"]) == (ROWS - 13, 13)
        versions = client.get("/api/datasets/big/versions").json()["items"]
        assert len(versions) == 1
        count = client.get("/api/datasets/big/count", params={"where": "id >= 0"})
        assert count.json()["count"] == ROWS - 13
        rejects = client.get("/api/datasets/big/rejects").json()["items"]
        step = ROWS // BAD_LINES
        assert [r["line"] for r in rejects] == [2 + step * n for n in range(13)]
    assert list((server.data_dir / "work").iterdir()) == []
