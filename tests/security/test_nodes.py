"""What is taken back on one node is taken back on every node, within a second."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.databases import throw_away
from tests.security.clocked import Client, by_password
from tests.served import PASSWORD, Server, unique

Nodes = tuple[Server, Server]


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.server("postgresql")),
    ],
)
def nodes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nodes]:
    """Two servers of one data directory and one database, without Redis."""
    data_dir = tmp_path_factory.mktemp("nodes") / "data"
    with ExitStack() as stack:
        settings = {}
        if request.param != "sqlite":
            settings["database_url"] = stack.enter_context(throw_away(request.param))
        servers = [Server(data_dir, **settings) for _ in range(2)]
        for server in servers:
            stack.enter_context(server.start("--no-worker").running())
        yield servers[0], servers[1]


@pytest.fixture(scope="module")
def admin(nodes: Nodes) -> Iterator[Client]:
    with nodes[0].client(nodes[0].make_admin()) as client:
        yield client


def until_refused(client: Client, path: str = "/api/me") -> float:
    """Seconds until a client that was let in a moment ago is sent away."""
    started = time.perf_counter()
    while client.get(path).status_code == 200:
        assert time.perf_counter() - started < 5, "still let in"
        time.sleep(0.02)
    return time.perf_counter() - started


def disable(admin: Client, user_id: str, key_id: str) -> None:
    assert admin.patch(f"/api/users/{user_id}", json={"disabled": True}).is_success


def end_sessions(admin: Client, user_id: str, key_id: str) -> None:
    assert admin.delete(f"/api/users/{user_id}/sessions").is_success


def delete_key(admin: Client, user_id: str, key_id: str) -> None:
    assert admin.delete(f"/api/keys/{key_id}").is_success


@pytest.mark.slow
@pytest.mark.parametrize(
    ("take_back", "with_key"),
    [(disable, False), (disable, True), (end_sessions, False), (delete_key, True)],
)
def test_a18_f03_a_withdrawal_acts_on_the_other_node_within_a_second(
    nodes: Nodes,
    admin: Client,
    take_back: Callable[[Client, str, str], None],
    with_key: bool,
) -> None:
    email = f"{unique('p')}@example.org"
    body = {"email": email, "password": PASSWORD, "name": "Ann"}
    user = admin.post("/api/users", json=body).json()["id"]
    with nodes[1].client() as visitor:
        token = by_password(visitor, email, PASSWORD).json()["access_token"]
    with nodes[1].client(token) as client:
        scopes = ["jobs:read"]
        made = client.post("/api/keys", json={"name": "k", "scopes": scopes}).json()
        with nodes[1].client(made["key"]) as key:
            caller = key if with_key else client
            for _ in range(3):  # remembered by now
                assert caller.get("/api/jobs").status_code == 200
            take_back(admin, user, made["id"])
            assert until_refused(caller, "/api/jobs") < 1.2


@pytest.mark.slow
def test_d02_a_key_removed_by_command_is_refused_by_running_servers(
    nodes: Nodes, admin: Client
) -> None:
    with nodes[1].client() as visitor:
        tokens = by_password(visitor, "admin@example.org", PASSWORD).json()
        keys = visitor.get("/.well-known/jwks.json").json()["keys"]
    with nodes[1].client(tokens["access_token"]) as client:
        assert client.get("/api/me").status_code == 200
        nodes[0].run("signing-key", "rotate")
        assert client.get("/api/me").status_code == 200
        nodes[0].run("signing-key", "remove", keys[0]["kid"])
        assert until_refused(client) < 1.2
    with nodes[1].client() as visitor:
        assert by_password(visitor, "admin@example.org", PASSWORD).status_code == 200
