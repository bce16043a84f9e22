"""Nothing that was counted is lost: servers that are stopped, killed, or two."""

import json
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from foretell.auth.identity import Identity
from foretell.client import Client
from foretell.http.edge import Edge
from foretell.testing.people import SignIn
from tests.acceptance.conftest import ROW, estimators, upload_model
from tests.acceptance.inprocess import running as started
from tests.databases import throw_away
from tests.models.application import Running, Trained, dump
from tests.served import Server

PREDICT, MONITORING = "/api/models/flowers/predict", "/api/models/flowers/monitoring"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data").start()
    with server.running():
        yield server


def ask(client: httpx2.Client, times: int) -> None:
    for _ in range(times):
        answer = client.post(PREDICT, json={"rows": [ROW]})
        assert answer.status_code == 200, answer.text


def stored_calls(server: Server) -> int:
    with closing(sqlite3.connect(server.data_dir / "foretell.db")) as connection:
        found = connection.execute("SELECT sum(calls) FROM prediction_counts")
        return int(found.fetchone()[0] or 0)


@pytest.mark.slow
def test_a_stopped_server_loses_nothing_and_a_killed_one_a_second(
    server: Server,
) -> None:
    key = server.make_admin()
    with server.client(key) as client:
        made = upload_model(client, "flowers", dump(estimators()["flowers"]))
        assert made.status_code == 201, made.text
        ask(client, 25)
    assert server.stop() == 0
    assert stored_calls(server) == 25
    server.start()
    with server.client(key) as client:
        ask(client, 10)
        deadline = time.monotonic() + 2
        while stored_calls(server) < 35:
            assert time.monotonic() < deadline, "older than two seconds"
            time.sleep(0.02)
        ask(client, 5)
    server.stop(signal.SIGKILL)
    assert 35 <= stored_calls(server) <= 40
    server.start()
    with server.client(key) as client:
        found = client.get(MONITORING).json()
        assert found["calls"] == stored_calls(server)
    with Client(server.url, key) as typed:
        today = found["to"]
        same = typed.get_monitoring("flowers", version=1, first=today, last=today)
        assert same["calls"] == found["calls"]
    server.environment |= {"FORETELL_URL": server.url, "FORETELL_API_KEY": key}
    drawn = server.run("model", "monitoring", "flowers").stdout
    assert f"calls    {found['calls']}" in drawn
    printed = server.run("model", "monitoring", "flowers", "--json").stdout
    assert json.loads(printed)["drift"] == found["drift"]


@pytest.fixture
def postgresql() -> Iterator[str]:
    with throw_away("postgresql") as url:
        yield url


@pytest.fixture
async def two_servers(
    tmp_path: Path, postgresql: str
) -> AsyncIterator[tuple[Edge, Edge]]:
    """Two processes' worth of the application on one PostgreSQL."""
    async with AsyncExitStack() as stack:
        given: dict[str, Any] = {"database_url": postgresql, "secret_key": "x" * 48}
        apps = [
            await stack.enter_async_context(started(tmp_path, **given))
            for _ in range(2)
        ]
        yield apps[0], apps[1]


async def test_two_servers_on_postgresql_show_the_same_figures(
    two_servers: tuple[Edge, Edge], logreg: Trained
) -> None:
    async with AsyncExitStack() as stack:
        first, second = two_servers
        clients = [
            await SignIn(first, stack)("admin", email="a@example.org"),
            await SignIn(second, stack)("admin", email="b@example.org"),
        ]
        await publish(first, clients[0], logreg)
        for client, times in zip(clients, (3, 4), strict=True):
            for _ in range(times):
                answer = await client.post(PREDICT, json={"rows": [ROW]})
                assert answer.status_code == 200, answer.text
        await clients[1].get(MONITORING)  # has the second one store what it has
        for client in clients:
            found = (await client.get(MONITORING)).json()
            assert (found["calls"], found["rows"]) == (7, 7)
            assert {one["rows"] for one in found["drift"]} == {7}


async def publish(app: Edge, client: httpx2.AsyncClient, trained: Trained) -> None:
    me = (await client.get("/api/me")).json()["id"]
    state = app.state.foretell
    owner = await state.port(Identity).principal_of(me)
    await Running(app, state, owner, client, client).publish("flowers", trained)
