"""Kill everything at any moment of many changes: each is whole or it never was.

Everything: the server, its workers, and the database server too where there is one of
the test's own. `TEST_KILLS=200` runs as many rounds; a few by default.
"""

import asyncio
import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.acceptance.conftest import first_admin
from tests.acceptance.processes import command, descendants
from tests.databases import throw_away
from tests.served import Server
from tests.servers import DatabaseServer, MariadbServer, PostgresqlServer

KILLS = int(os.environ.get("TEST_KILLS", "3"))
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
        if answer.status_code == 503:
            return  # its database was killed a moment before it
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


KEYS = "SELECT id FROM api_keys"
JOBS = "SELECT id FROM jobs"
NOTED = "SELECT object_id FROM audit_log WHERE action = 'key.create'"
PUBLISHED = "SELECT job_id FROM dataset_versions"
ENDED = "SELECT id FROM jobs WHERE task = 'datasets.import' AND state = 'succeeded'"
GAPS = (
    "SELECT d.name FROM datasets d LEFT JOIN dataset_versions v "
    "ON v.dataset_id = d.id WHERE d.current IS NOT NULL GROUP BY d.id "
    "HAVING count(v.id) <> max(d.last_version) OR max(v.number) <> max(d.last_version) "
    "OR sum(CASE WHEN v.number = d.current THEN 1 ELSE 0 END) <> 1"
)
SOUND = "PRAGMA integrity_check"
BROKEN = "PRAGMA foreign_key_check"


def columns(url: str, *statements: str) -> dict[str, list[Any]]:
    """The first column of each, all seen at one moment."""

    async def read() -> dict[str, list[Any]]:
        engine = create_async_engine(url)
        if engine.dialect.name != "sqlite":
            # What a dead server had sent may still be committed between two of them.
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        try:
            async with engine.connect() as connection:
                return {
                    statement: list(await connection.scalars(text(statement)))
                    for statement in statements
                }
        finally:
            await engine.dispose()

    return asyncio.run(read())


def check(url: str, answered: set[str]) -> None:
    """Nothing that was answered is missing, and nothing is half there."""
    if url.startswith("sqlite"):
        assert columns(url, SOUND, BROKEN) == {SOUND: ["ok"], BROKEN: []}
    found = columns(url, JOBS, KEYS, NOTED, PUBLISHED, ENDED, GAPS)
    jobs = {f"job:{job}" for job in found[JOBS]}
    keys = {f"key:{key}" for key in found[KEYS]}
    assert answered <= jobs | keys
    # A key and its line in the audit log are one change.
    assert {f"key:{key}" for key in found[NOTED]} == keys
    # A version and the end of the job that made it are one change.
    assert sorted(found[PUBLISHED]) == sorted(found[ENDED])
    # The current version of a dataset exists, and its numbers have no gap.
    assert found[GAPS] == []


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


SERVERS: dict[str, type[DatabaseServer]] = {
    "postgresql": PostgresqlServer,
    "mysql": MariadbServer,
}


class Store:
    """A database, and how to kill it and bring it back."""

    def __init__(self, kind: str, folder: Path, stack: ExitStack) -> None:
        self.kill: Callable[[], None] = lambda: None
        self.start: Callable[[], None] = lambda: None
        if kind == "sqlite":
            self.url = f"sqlite+aiosqlite:///{folder / 'data' / 'foretell.db'}"
        elif SERVERS[kind].is_installed():
            server = stack.enter_context(SERVERS[kind]())
            self.url, self.kill, self.start = server.url, server.kill, server.start
        else:
            self.url = stack.enter_context(throw_away(kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_whatever_is_killed_each_change_is_whole_or_never_was(
    kind: str, tmp_path: Path
) -> None:
    chance = random.Random(40)  # noqa: S311 - when to kill, not a secret
    with ExitStack() as stack:
        store = Store(kind, tmp_path, stack)
        server = Server(tmp_path / "data", database_url=store.url).start()
        stack.enter_context(server.running())
        key = first_admin(server)
        answered: set[str] = set()
        names = []
        for kill in range(KILLS):
            callers = [Caller(server, key, f"d{kill}-{n}") for n in range(2)]
            for caller in callers:
                caller.start()
            time.sleep(0.3 + chance.random() * 1.5)
            # In turn the database goes first, so that the server sees it go.
            for step in (store.kill, lambda: kill_all(server))[:: 1 - 2 * (kill % 2)]:
                step()
            for caller in callers:
                caller.join(30)
                assert not caller.is_alive()
                answered.update(caller.answered)
                names.append(caller.name)
            store.start()
            check(store.url, answered)
            server.start()
        assert answered
        finish_all(server, key)
        check(store.url, answered)
        check_files(server, key, names)
