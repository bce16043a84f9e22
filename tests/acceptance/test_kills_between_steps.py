"""Kill everything at any moment of many changes: each is whole or it never was.

`TEST_KILLS=200` runs as many rounds; a few by default.
"""

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.conftest import first_admin
from tests.acceptance.processes import command, descendants
from tests.served import Server

KILLS = int(os.environ.get("TEST_KILLS", "4"))
LINES = "id,name\n" + "".join(f"{n},name {n}\n" for n in range(50)) + "bad\n"


class Caller(threading.Thread):
    """Uploads new versions, enqueues jobs and makes keys until the server is gone.

    Attributes:
        answered: What the server said that it had done, as `kind:id`.
    """

    def __init__(self, server: Server, key: str, name: str) -> None:
        super().__init__(daemon=True)
        self.client = server.client(key)
        self.name = name
        self.answered: list[str] = []

    def run(self) -> None:
        with self.client, contextlib.suppress(httpx2.TransportError):
            self.note(
                "job",
                self.client.post(f"/api/datasets?name={self.name}", content=LINES),
            )
            for number in range(10_000):
                self.step(number)

    def step(self, number: int) -> None:
        versions = f"/api/datasets/{self.name}/versions"
        made = self.client.post(versions, content=LINES)
        if made.status_code != 404:  # the first import has not ended
            self.note("job", made)
        body = {"task": "system.echo", "args": {"value": number}}
        self.note("job", self.client.post("/api/jobs", json=body))
        wanted = {"name": f"{self.name}-{number}", "scopes": ["jobs:read"]}
        self.note("key", self.client.post("/api/keys", json=wanted))

    def note(self, kind: str, answer: httpx2.Response) -> None:
        assert answer.status_code in (201, 202), answer.text
        self.answered.append(f"{kind}:{answer.json()['id']}")


def kill_all(server: Server) -> None:
    """End the server and everything that it started, at once."""
    assert server.process is not None
    family = [server.process.pid, *descendants(server.process.pid)]
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait(15)
    deadline = time.monotonic() + 15
    while any("foretell" in command(pid) for pid in family):
        assert time.monotonic() < deadline, "children outlived their server"
        time.sleep(0.02)


@contextlib.contextmanager
def opened(server: Server) -> Iterator[sqlite3.Connection]:
    path = server.data_dir / "foretell.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection


def column(connection: sqlite3.Connection, statement: str) -> list[Any]:
    return [value for (value,) in connection.execute(statement)]


def check(server: Server, answered: set[str]) -> None:
    """Nothing that was answered is missing, and nothing is half there."""
    with opened(server) as db:
        assert column(db, "PRAGMA integrity_check") == ["ok"]
        assert column(db, "PRAGMA foreign_key_check") == []
        jobs = {f"job:{job}" for job in column(db, "SELECT id FROM jobs")}
        keys = {f"key:{key}" for key in column(db, "SELECT id FROM api_keys")}
        assert answered <= jobs | keys
        # A key and its line in the audit log are one change.
        noted = column(
            db, "SELECT object_id FROM audit_log WHERE action = 'key.create'"
        )
        assert {f"key:{key}" for key in noted} == keys
        # A version and the end of the job that made it are one change.
        published = column(db, "SELECT job_id FROM dataset_versions")
        ended = column(
            db,
            "SELECT id FROM jobs WHERE task = 'datasets.import' "
            "AND state = 'succeeded'",
        )
        assert sorted(published) == sorted(ended)
        # The current version of a dataset exists, and its numbers have no gap.
        gaps = column(
            db,
            "SELECT d.name FROM datasets d LEFT JOIN dataset_versions v "
            "ON v.dataset_id = d.id WHERE d.current IS NOT NULL GROUP BY d.id "
            "HAVING count(v.id) <> d.last_version OR max(v.number) <> d.last_version "
            "OR sum(v.number = d.current) <> 1",
        )
        assert gaps == []


def finish_all(server: Server, key: str) -> None:
    """Wait until every job has ended; none may have failed."""
    deadline = time.monotonic() + 120
    with server.client(key) as client:
        while True:
            states = {
                state: client.get(
                    "/api/jobs", params={"state": state, "limit": 1}
                ).json()["items"]
                for state in ("queued", "running", "failed")
            }
            assert not states["failed"], states["failed"]
            if not states["queued"] and not states["running"]:
                return
            assert time.monotonic() < deadline, states
            time.sleep(0.1)


def check_files(server: Server, key: str, names: list[str]) -> None:
    """Each version's file is there and whole."""
    with server.client(key) as client:
        for name in names:
            found = client.get(f"/api/datasets/{name}/versions")
            for version in found.json()["items"]:
                number = version["version"]
                count = client.get(f"/api/datasets/{name}/count?version={number}")
                assert count.json() == {"count": 50, "exact": True}, count.text


@pytest.mark.slow
def test_whatever_is_killed_each_change_is_whole_or_never_was(tmp_path: Path) -> None:
    chance = random.Random(40)  # noqa: S311 - when to kill, not a secret
    server = Server(tmp_path / "data").start()
    with server.running():
        key = first_admin(server)
        answered: set[str] = set()
        names = []
        for kill in range(KILLS):
            callers = [Caller(server, key, f"d{kill}-{n}") for n in range(2)]
            for caller in callers:
                caller.start()
            time.sleep(0.3 + chance.random() * 1.5)
            kill_all(server)
            for caller in callers:
                caller.join(30)
                assert not caller.is_alive()
                answered.update(caller.answered)
                names.append(caller.name)
            check(server, answered)
            server.start()
        assert answered
        finish_all(server, key)
        check(server, answered)
        check_files(server, key, names)
