"""Commands that talk to a server, and the server's own command."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from tests.conftest import Callers
from tests.served import COMMAND, PASSWORD, Server, unique


class Commands:
    """The command line of an editor, by URL and key."""

    def __init__(self, callers: Callers, folder: Path) -> None:
        self._environment = {
            **callers.server.environment,
            "FORETELL_URL": callers.server.url,
            "FORETELL_API_KEY": callers.editor.headers["authorization"][7:],
        }
        self._folder = folder

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture
def foretell(callers: Callers, tmp_path: Path) -> Commands:
    return Commands(callers, tmp_path)


def test_a_file_becomes_a_dataset_that_can_be_looked_at(
    foretell: Commands, tmp_path: Path
) -> None:
    name = unique("cli")
    file = tmp_path / f"{name}.csv"
    file.write_text("a;b\n1;x\n2;y;z\n3;w\n", "utf-8")
    made = json.loads(foretell("dataset", "add", str(file), "--json"))
    assert (made["name"], made["rows"], made["rejects"]) == (name, 2, 1)
    assert "a:integer, b:text" in foretell("dataset", "show", name)
    rows = json.loads(foretell("dataset", "rows", name, "--where", "a > 1", "--json"))
    assert rows == [{"a": 3, "b": "w"}]
    assert "too_many_cells" in foretell("dataset", "rejects", name)
    assert name in foretell("dataset", "list")
    foretell("dataset", "download", name, "out.ndjson")
    lines = (tmp_path / "out.ndjson").read_text("utf-8").splitlines()
    assert json.loads(lines[0]) == {"a": 1, "b": "x"}
    foretell("dataset", "delete", name, "--yes")
    assert "There is no dataset" in foretell("dataset", "show", name, code=1)


def test_a_dataset_answers_questions(foretell: Commands, tmp_path: Path) -> None:
    name = unique("asked").replace("-", "_")
    file = tmp_path / f"{name}.csv"
    file.write_text("g,x\na,1\na,2\nb,3\nb\n")
    foretell("dataset", "add", str(file))
    assert foretell("dataset", "count", name, "--where", "x > 1").strip() == "2"
    figures = foretell(
        "dataset", "aggregate", name, "--by", "g", "--measures", "sum(x)"
    )
    assert [line.split() for line in figures.splitlines()[1:]] == [
        ["a", "3"],
        ["b", "3"],
    ]
    asked = ("dataset", "query", f"SELECT max(x) AS top FROM {name}")  # noqa: S608
    assert foretell(*asked).split() == ["top", "3"]
    assert json.loads(foretell(*asked, "--json"))["rows"] == [[3]]
    assert "SELECT" in foretell("dataset", "query", "DROP TABLE x", code=1)
    foretell("dataset", "rejects", name, "--output", "rejects.csv")
    assert "too_few_cells" in (tmp_path / "rejects.csv").read_text()
    file.write_text("g,x\na,1\n")
    foretell("dataset", "add", str(file), "--mode", "replace")
    assert "rows removed" in foretell("dataset", "diff", name)
    foretell("dataset", "use", name, "1")
    assert foretell("dataset", "count", name).strip() == "3"
    foretell("dataset", "download", name, "out.xlsx")
    assert (tmp_path / "out.xlsx").read_bytes().startswith(b"PK")


def test_an_existing_name_is_one_line_and_exit_1(
    foretell: Commands, tmp_path: Path
) -> None:
    file = tmp_path / f"{unique('twice')}.csv"
    file.write_text("a\n1\n")
    foretell("dataset", "add", str(file))
    assert len(foretell("dataset", "add", str(file), code=1).splitlines()) <= 2
    again = foretell("dataset", "add", str(file), "--mode", "replace", "--json")
    assert json.loads(again)["version"] == 2


def test_jobs_are_listed_watched_and_cancelled(
    foretell: Commands, callers: Callers
) -> None:
    body = {"task": "system.sleep", "args": {"seconds": 60}}
    job = callers.editor.post("/api/jobs", json=body).json()
    listed = json.loads(foretell("job", "list", "--json"))
    assert job["id"] in [item["id"] for item in listed]
    foretell("job", "cancel", job["id"])
    foretell("job", "watch", job["id"], code=1)
    shown = json.loads(foretell("job", "show", job["id"], "--json"))
    assert shown["state"] == "cancelled"


def test_the_openapi_document_is_printed(foretell: Commands) -> None:
    assert json.loads(foretell("openapi"))["openapi"].startswith("3.1")


def test_serve_prints_its_address_and_a_code_for_the_first_admin(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "data").start()
    try:
        said = server.log.read_text("utf-8")
        code = re.search(r"Setup code: (\S+)", said)
        assert f"at {server.url} " in said
        assert code is not None
        body = {"code": code[1], "email": "a@x.org", "password": PASSWORD, "name": "A"}
        assert httpx2.get(f"{server.url}/api/setup").json() == {"needed": True}
        assert httpx2.post(f"{server.url}/api/setup", json=body).status_code == 201
        assert "server" not in httpx2.get(f"{server.url}/healthz").headers
    finally:
        started = time.monotonic()
        assert server.stop() == 0
    assert time.monotonic() - started < 10


def test_a_taken_port_is_one_line_and_exit_1(callers: Callers, tmp_path: Path) -> None:
    port = callers.server.url.rpartition(":")[2]
    local = Server(tmp_path / "data")
    done = local.run("serve", "--port", port, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Cannot listen on 127.0.0.1:")


@pytest.mark.slow
def test_several_processes_answer_and_share_one_worker(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start("--workers", "2")
    body = {"task": "system.echo", "args": {"value": 1}}
    with server.running(), server.client(server.make_admin()) as client:
        job = client.post("/api/jobs", json=body, headers={"Prefer": "wait=20"})
        assert (job.status_code, job.json()["state"]) == (200, "succeeded")
        started = time.monotonic()
        assert server.stop() == 0
    assert time.monotonic() - started < 10


@pytest.mark.slow
def test_a_worker_of_its_own_runs_the_jobs_of_a_server_without_one(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "data").start("--no-worker")
    body = {"task": "system.echo", "args": {"value": 1}}
    with server.running(), server.client(server.make_admin()) as client:
        job = client.post("/api/jobs", json=body, headers={"Prefer": "wait=1"})
        assert job.json()["state"] == "queued"
        worker = subprocess.Popen(
            [*COMMAND, "worker", "--concurrency", "1"],
            env=server.environment,
            cwd=tmp_path,
        )
        try:
            path = f"/api/jobs/{job.json()['id']}/events"
            with client.stream("GET", path) as events:
                assert "succeeded" in events.read().decode()
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(10) == 0
