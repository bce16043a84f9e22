"""Checklist F: API keys. F02 and F04 for every operation: acceptance/test_matrix.py."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from tests.security.clocked import Client, Clocked, Person, address


@pytest.fixture
def owner(server: Clocked) -> Person:
    return server.person("editor")


@pytest.fixture
def client(server: Clocked, owner: Person) -> Iterator[Client]:
    with server.signed_in(owner.email) as client:
        yield client


def make_key(client: Client, *scopes: str, **more: Any) -> dict[str, Any]:
    body = {"name": "k", "scopes": scopes or ["jobs:read"], **more}
    made = client.post("/api/keys", json=body)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def test_f01_a_key_is_shown_once(client: Client) -> None:
    made = make_key(client)
    secret = made["key"].rpartition("_")[2]
    for path in (f"/api/keys/{made['id']}", "/api/keys", "/api/audit"):
        assert secret not in client.get(path).text
    assert client.get(f"/api/keys/{made['id']}").json()["prefix"] == made["prefix"]
    assert made["key"].startswith(made["prefix"])


def test_f02_a_key_does_what_its_scopes_say(server: Clocked, client: Client) -> None:
    with server.client(make_key(client, "models:read")["key"]) as key:
        assert key.get("/api/models").status_code == 200
        for path in ("/api/datasets", "/api/jobs", "/api/users", "/api/audit"):
            assert key.get(path).status_code == 403


def status(server: Clocked, key: str) -> int:
    with server.client(key) as client:
        return client.get("/api/jobs").status_code


def test_f03_an_ended_key_is_refused_within_a_second(
    server: Clocked, owner: Person, client: Client
) -> None:
    keys = [make_key(client) for _ in range(2)]
    assert {status(server, key["key"]) for key in keys} == {200}
    started = time.perf_counter()
    assert client.delete(f"/api/keys/{keys[0]['id']}").status_code == 204
    assert status(server, keys[0]["key"]) == 401
    path = f"/api/users/{owner.id}"
    assert server.admin.patch(path, json={"disabled": True}).status_code == 200
    assert status(server, keys[1]["key"]) == 401
    assert time.perf_counter() - started < 1


def test_f03_a_key_expires(server: Clocked, client: Client) -> None:
    key = make_key(client)["key"]
    assert status(server, key) == 200
    server.clock.advance(days=89)
    assert status(server, key) == 200
    server.clock.advance(days=1, seconds=1)
    assert status(server, key) == 401


def test_f04_a_key_makes_no_wider_key(server: Clocked, client: Client) -> None:
    narrow = make_key(client, "keys:write", "models:predict:churn")
    with server.client(narrow["key"]) as key:
        for scope in ("jobs:read", "models:predict", "models:predict:other"):
            body = {"name": "wider", "scopes": [scope]}
            assert key.post("/api/keys", json=body).status_code == 403, scope
        never = {"name": "longer", "scopes": ["keys:write"], "expires_at": None}
        assert key.post("/api/keys", json=never).status_code == 403
        assert make_key(key, "models:predict:churn")["scopes"]


def test_f05_a_key_tells_when_and_from_where_it_was_used(
    server: Clocked, owner: Person, client: Client
) -> None:
    made = make_key(client)
    path = f"/api/keys/{made['id']}"
    assert (made["last_used_at"], made["last_used_from"]) == (None, None)
    assert made["created_from"] == client.headers["X-Forwarded-For"]
    assert made["owner_id"] == owner.id
    places = [address() for _ in range(2)]
    for place in places:
        # Answers are remembered for half a minute, which is when uses are seen.
        server.clock.advance(minutes=1)
        with server.client(made["key"], **{"X-Forwarded-For": place}) as key:
            assert key.get("/api/jobs").status_code == 200
            assert key.get("/api/jobs").status_code == 200
        server.run(server.identity.usage.written())
        shown = client.get(path).json()
        assert shown["last_used_from"] == place
        assert shown["last_used_at"] == f"{server.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    query = {"action": "key.use", "object_id": made["id"]}
    entries = server.admin.get("/api/audit", params=query).json()["items"]
    assert [entry["address"] for entry in entries] == places[::-1]
    assert {entry["actor_id"] for entry in entries} == {owner.id}


def test_f06_a_malformed_key_does_not_reach_the_database(
    server: Clocked, client: Client
) -> None:
    key = make_key(client)["key"]
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, text: str, *_: Any) -> None:
        if "api_keys" in text or "auth_epoch" in text or "users" in text:
            statements.append(text)

    engine = server.app.state.foretell.database.reading_engine.sync_engine
    assert status(server, key) == 200
    event.listen(engine, "before_cursor_execute", note)
    try:
        wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
        for text in (wrong, key[:20], "ftl_", "ftl_a_b", key + "a", key.upper()):
            assert status(server, text) == 401
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert statements == []
