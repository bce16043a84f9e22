"""Checklist J: what the log of deeds holds, and what refusals and faults tell.

J04 (the chained log) is not built yet.
"""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from foretell import Extension, public
from tests.acceptance.conftest import estimators
from tests.models.application import dump
from tests.security.clocked import (
    Client,
    Clocked,
    Person,
    address,
    by_password,
    clocked,
    refresh,
)
from tests.served import PASSWORD, Server, unique
from tests.servers import PostgresqlServer

NEW = "a better battery staple"


@pytest.fixture
def editor(server: Clocked) -> Person:
    return server.person("editor")


@pytest.fixture
def client(server: Clocked, editor: Person) -> Iterator[Client]:
    with server.signed_in(editor.email) as client:
        yield client


def actions(server: Clocked, **query: str) -> list[str]:
    """What was done, newest first."""
    found = server.admin.get("/api/audit", params={"limit": "1000", **query})
    return [f"{i['action']} {i['result']}" for i in found.json()["items"]]


def sign_ins(server: Clocked, person: Person) -> None:
    """Sign in, fail, replay, and sign out."""
    with server.client() as visitor:
        by_password(visitor, person.email, "wrong")
        first = server.sign_in(person.email)["refresh_token"]
        second = refresh(visitor, first).json()["refresh_token"]
        refresh(visitor, second)
        refresh(visitor, first)
        tokens = server.sign_in(person.email)
        visitor.post("/token/revoke", data={"token": tokens["refresh_token"]})
        visitor.post("/api/password/forgot", json={"email": person.email})
        body = {"token": server.mailed_token(person.email), "password": NEW}
        assert visitor.post("/api/password/reset", json=body).status_code == 204


def accounts(server: Clocked, client: Client, person: Person) -> None:
    """Keys, a role, a password."""
    made = client.post("/api/keys", json={"name": "k", "scopes": ["jobs:read"]}).json()
    with server.client(made["key"]) as key:
        assert key.get("/api/jobs").status_code == 200
    server.run(server.identity.usage.written())
    assert client.delete(f"/api/keys/{made['id']}").status_code == 204
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert client.post("/api/users/me/password", json=body).status_code == 204
    role = {"role": "admin"}
    assert server.admin.patch(f"/api/users/{person.id}", json=role).is_success


def test_j01_what_people_do_to_accounts_is_logged(
    server: Clocked, editor: Person, client: Client
) -> None:
    other = server.person()
    sign_ins(server, other)
    accounts(server, client, editor)
    theirs = set(actions(server, object_id=other.id))
    assert theirs >= {
        "user.create ok",
        "sign-in ok",
        "sign-in refused",
        "password.forgot ok",
        "password.reset ok",
    }
    assert {"token.reuse refused", "sign-out ok"} <= set(
        actions(server, actor_id=other.id)
    )
    assert set(actions(server, actor_id=editor.id)) >= {
        "key.create ok",
        "key.use ok",
        "key.delete ok",
        "password.change ok",
    }
    query = {"object_id": editor.id, "action": "user.change"}
    entry = server.admin.get("/api/audit", params=query).json()["items"][0]
    assert entry["detail"]["changed"] == {"role": "admin"}


@pytest.mark.slow
def test_j01_what_people_do_to_objects_is_logged(
    server: Clocked, editor: Person, client: Client
) -> None:
    name, state = unique("traced"), server.app.state.foretell
    made = client.post(f"/api/datasets?name={name}", content=b"a\n1\n")
    assert made.status_code == 202, made.text
    for _ in range(2):
        files = {"artifact": ("m.joblib", dump(estimators()["price"]))}
        up = client.post(f"/api/models/{name}/versions", files=files)
        assert up.status_code == 202, up.text
    server.mails("nobody@example.org")  # runs the jobs
    for version in (1, 2, 1):
        alias = f"/api/models/{name}/aliases/champion"
        assert client.put(alias, json={"version": version}).is_success
    share = {"visibility": "everyone"}
    for kind in ("datasets", "models"):
        assert client.patch(f"/api/{kind}/{name}", json=share).is_success
    assert client.get(f"/api/datasets/{name}/download?format=csv").text == "a\n1\n"
    assert client.get(f"/api/models/{name}/versions/1/artifact").is_success
    (state.settings.data_dir / "databases").mkdir(exist_ok=True)
    connection = {"kind": "sqlite", "path": "x.db"}
    (state.settings.data_dir / "databases" / "x.db").touch()
    assert client.put(f"/api/connections/{name}", json=connection).is_success
    out = {"connection": name, "table": "t"}
    assert client.post(f"/api/datasets/{name}/export", json=out).is_success
    for kind in ("datasets", "models", "connections"):
        assert client.delete(f"/api/{kind}/{name}").is_success
    done = actions(server, object_id=name)
    assert done.count("model.alias ok") == 3
    assert set(done) >= {
        "dataset.download ok",
        "dataset.export ok",
        "dataset.share ok",
        "dataset.delete ok",
        "model.create ok",
        "model.download ok",
        "model.share ok",
        "model.delete ok",
        "connection.create ok",
        "connection.delete ok",
    }
    settings = {"action": "settings.change"}
    entry = server.admin.get("/api/audit", params=settings).json()["items"][-1]
    assert "FORETELL_SIGNUP" in entry["detail"]["set"]


def test_j02_an_entry_tells_who_when_how_from_where_and_how_it_ended(
    server: Clocked, editor: Person
) -> None:
    place, request_id = address(), unique("request")
    token = server.sign_in(editor.email)["access_token"]
    headers = {
        "X-Forwarded-For": place,
        "X-Request-ID": request_id,
        "User-Agent": "notebook/1",
    }
    with server.client(token, **headers) as client:
        made = client.post("/api/keys", json={"name": "k", "scopes": ["jobs:read"]})
    query = {"action": "key.create", "object_id": made.json()["id"]}
    (entry,) = server.admin.get("/api/audit", params=query).json()["items"]
    assert entry["at"] == f"{server.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    assert (entry["actor_id"], entry["actor"]) == (editor.id, editor.email)
    assert (entry["method"], bool(entry["credential_id"])) == ("token", True)
    assert (entry["address"], entry["user_agent"]) == (place, "notebook/1")
    assert (entry["object_kind"], entry["object_id"]) == ("key", made.json()["id"])
    assert (entry["result"], entry["request_id"]) == ("ok", request_id)
    assert entry["detail"] == {"scopes": ["jobs:read"]}


FORGED = "FORGED 200 OK"


def test_j03_nothing_that_is_sent_forges_a_line(alone: Server, alone_key: str) -> None:
    with alone.client(alone_key) as admin:
        for path in (f"/api/users/%0d%0a{FORGED}", f"/api/%1b[2K{FORGED}"):
            admin.get(path)
        agent = {b"User-Agent": f"\x1b[2K\u2028{FORGED}".encode()}
        body = {"name": "k", "scopes": ["jobs:read"]}
        made = admin.post("/api/keys", json=body, headers=agent)
        assert made.status_code in (201, 400)
        for name in (f"a\n{FORGED}", f"a\r{FORGED}", f"a\x1b[2K{FORGED}"):
            body = {"name": name, "scopes": ["jobs:read"]}
            assert admin.post("/api/keys", json=body).status_code in (201, 422)
        for email in (f"a\r\n{FORGED}", f"\x1b[2K{FORGED}"):
            form = {"grant_type": "password", "username": email, "password": "x"}
            admin.post("/token", data=form)
        entries = admin.get("/api/audit?limit=1000").json()["items"]
    for entry in entries:
        for value in entry.values():
            if isinstance(value, str):
                assert value.isprintable(), value
    shown = alone.run("key", "list").stdout
    assert FORGED in shown
    assert "\x1b" not in shown
    assert not [line for line in shown.splitlines() if line.startswith(FORGED)]
    lines = alone.log.read_text("utf-8").splitlines()
    assert not [line for line in lines if line.startswith(FORGED)]
    assert "\x1b[2K" not in "".join(lines)


SECRET = "postgresql://me:hunter2hunter2@db/x"


def faulty() -> Extension:
    extension = Extension("faulty")

    @extension.router.get("/break", dependencies=[public])
    async def fail() -> dict[str, str]:
        raise RuntimeError(f"cannot reach {SECRET}")

    return extension


def test_j05_a_fault_tells_its_request_id_and_nothing_else(tmp_path: Any) -> None:
    served = clocked(tmp_path / "data", extensions=[faulty()])
    with served as server, server.client() as visitor:
        answer = visitor.get("/api/ext/faulty/break")
    assert answer.status_code == 500
    document = answer.json()
    assert document.pop("request_id") == answer.headers["x-request-id"]
    assert document.pop("instance") == "/api/ext/faulty/break"
    assert document.keys() == {"type", "title", "status", "detail"}
    for word in ("hunter2", "RuntimeError", "Traceback", "cannot reach"):
        assert word not in answer.text


def test_j06_every_refusal_is_a_problem_document(
    server: Clocked, client: Client
) -> None:
    big = b'{"name": "' + b"a" * 2_000_000 + b'"}'
    json = {"Content-Type": "application/json"}
    calls: list[tuple[int, str, str, dict[str, Any]]] = [
        (404, "GET", "/nowhere", {}),
        (404, "GET", "/api/datasets/nothing", {}),
        (405, "DELETE", "/api/me", {}),
        (405, "TRACE", "/api/me", {}),
        (413, "POST", "/api/keys", {"content": big, "headers": json}),
        (414, "GET", "/" + "a" * 9_000, {}),
        (421, "GET", "/api/me", {"headers": {"Host": "evil.example"}}),
        (431, "GET", "/api/me", {"headers": {"X-Long": "a" * 17_000}}),
        (422, "POST", "/api/keys", {"content": b"{", "headers": json}),
        (422, "POST", "/api/keys", {"json": {"name": 7}}),
        (400, "POST", "/api/keys", {"content": b"\xff", "headers": json}),
        (422, "GET", "/api/keys?limit=0", {}),
        (403, "GET", "/api/users", {}),
    ]
    for status, method, path, how in calls:
        answer = client.request(method, path, **how)
        assert answer.status_code == status, (method, path[:40], answer.text[:300])
        assert answer.headers["content-type"] == "application/problem+json"
        document = answer.json()
        assert document["status"] == status
        assert document["request_id"] == answer.headers["x-request-id"]
        assert {"type", "title", "detail", "instance"} <= document.keys()


@pytest.mark.slow
@pytest.mark.skipif(not PostgresqlServer.is_installed(), reason="no PostgreSQL")
def test_j07_without_its_database_nobody_gets_in(tmp_path: Any) -> None:
    with PostgresqlServer() as database:
        served = Server(tmp_path / "data", database_url=database.url)
        with served.start("--no-worker").running():
            key = served.make_admin()
            with served.client(key) as admin, served.client() as nobody:
                assert admin.get("/api/me").status_code == 200
                database.kill()
                form = {"grant_type": "password", "username": "admin@example.org"}
                form["password"] = PASSWORD
                # What was checked a moment ago is good for a second at most.
                for _ in range(3):
                    answers = [
                        admin.get("/api/me"),
                        nobody.post("/token", data=form),
                        nobody.get(
                            "/api/me", headers={"Authorization": f"Bearer {key}x"}
                        ),
                    ]
                assert_503(*answers[:2])
                assert answers[2].status_code in (401, 503)


def assert_503(*answers: httpx2.Response) -> None:
    for answer in answers:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
