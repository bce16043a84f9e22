"""F07 and the rest: a secret that was planted is found nowhere again.

Each secret field of a server gets a canary; then people use it, rightly and wrongly,
and everything that the server has said or written is searched. Traces are not built.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.operations import ENDLESS, call, operations
from tests.acceptance.processes import finish
from tests.security.clocked import Answer, Client, by_password
from tests.served import PASSWORD, Server, unique, upload
from tests.servers import RedisServer

EMAIL = "admin@example.org"


def canary(name: str) -> str:
    """A secret like no other text, with the variety that production asks for."""
    return f"Canary-{name}-7Kq2Zx9Wv4Tb1Ns8Lm5Rj3Pd6-{name}"


@dataclass
class Planted:
    """Secrets by what they are, and every text that might tell one of them."""

    server: Server
    secrets: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def hear(self, client: Client) -> Client:
        """Keep what a client is answered, headers included."""

        def note(answer: Answer) -> None:
            answer.read()
            self.said.append(f"{dict(answer.headers)}\n{answer.text}")

        client.event_hooks["response"].append(note)
        return client


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    names = ("secret_key", "secret_key_old", "legacy_jwt_secret")
    secrets = {name: canary(name.replace("secret", "s-crt")) for name in names}
    secrets |= {name: canary(name) for name in ("smtp", "redis", "query")}
    with RedisServer("--requirepass", secrets["redis"]) as redis:
        url = redis.url.replace("redis://", f"redis://:{secrets['redis']}@")
        server = Server(
            tmp_path_factory.mktemp("planted") / "data",
            **{name: secrets[name] for name in names},
            smtp_url=f"smtp://me:{secrets['smtp']}@127.0.0.1:9?k={secrets['query']}",
            redis_url=url,
            log_format="json",
            connection_allow="127.0.0.1",
        )
        with server.start().running():
            found = Planted(server, secrets)
            use(found)
            yield found


def use(planted: Planted) -> None:
    """Plant what people send, then ask for everything."""
    server, secrets = planted.server, planted.secrets
    made = server.run("user", "create", EMAIL, "--role", "admin", text=PASSWORD + "\n")
    planted.said.append(made.stdout + made.stderr)
    done = server.run("key", "create", "--name", "test", "--user", EMAIL, "--json")
    secrets["api key"] = json.loads(done.stdout)["key"]
    secrets["password"] = canary("password")
    secrets["other password"] = canary("other-password")
    with server.client(secrets["api key"]) as admin:
        planted.hear(admin)
        accounts(planted, admin)
        objects(planted, admin)
        everything(planted, admin)
    for command in (["config", "show"], ["doctor"], ["key", "list"], ["user", "list"]):
        done = server.run(*command, check=False)
        planted.said.append(done.stdout + done.stderr)


def accounts(planted: Planted, admin: Client) -> None:
    secrets, email = planted.secrets, "ann@example.org"
    body = {"email": email, "password": secrets["password"], "name": "Ann"}
    assert admin.post("/api/users", json=body).status_code == 201
    assert admin.post("/api/users", json=body).status_code == 409
    wrong = {**body, "email": 7, "role": secrets["password"]}
    assert admin.post("/api/users", json={**wrong, "x": 1}).status_code == 422
    with planted.server.client() as visitor:
        # These answers give a secret to its owner, so they are not searched.
        tokens = by_password(visitor, email, secrets["password"]).json()
        secrets["access token"] = tokens["access_token"]
        secrets["refresh token"] = tokens["refresh_token"]
        login = {"email": email, "password": secrets["password"]}
        assert visitor.post("/api/session", json=login).status_code == 201
        secrets["cookie"] = next(iter(visitor.cookies.values()))
        planted.hear(visitor)
        visitor.cookies.clear()
        by_password(visitor, email, secrets["other password"])
        by_password(visitor, secrets["password"], "in the wrong field")
        visitor.post("/api/session", json={**login, "password": [1]})
        # The mail server is away: the link waits in its job.
        assert visitor.post("/api/password/forgot", json={"email": email}).is_success
        for credential in ("access token", "refresh token", "api key"):
            headers = {"Authorization": f"Bearer {secrets[credential]}x"}
            assert visitor.get("/api/me", headers=headers).status_code == 401
            visitor.get("/api/me", params={"access_token": secrets[credential]})
    with planted.server.client(secrets["access token"]) as ann:
        planted.hear(ann)
        change = {
            "current_password": secrets["other password"],
            "new_password": secrets["other password"],
        }
        assert ann.post("/api/users/me/password", json=change).status_code == 422


def objects(planted: Planted, admin: Client) -> None:
    """A dataset and a connection that does not answer, with jobs on both."""
    secrets, name = planted.secrets, unique("canaries")
    secrets["connection"] = canary("connection")
    assert upload(admin, name, "a\n1\n").status_code == 201
    target = {"kind": "postgresql", "host": "127.0.0.1", "port": 9, "database": "x"}
    target |= {"username": "me", "password": secrets["connection"]}
    path = f"/api/connections/{name}"
    assert admin.put(path, json=target).status_code == 201
    wrong = {**target, "port": secrets["connection"]}
    assert admin.put(path, json=wrong).status_code == 422
    admin.post(f"{path}/test")
    admin.get(f"{path}/tables")
    out = {"connection": name, "table": "t"}
    job = admin.post(f"/api/datasets/{name}/export", json=out)
    assert finish(admin, job.headers["location"])["state"] == "failed"


def everything(planted: Planted, admin: Client) -> None:
    """Every GET of the API, of objects that are there where names are needed."""
    items = admin.get("/api/datasets").json()["items"]
    jobs = admin.get("/api/jobs?limit=100").json()["items"]
    names = {"name": items[0]["name"], "job_id": jobs[0]["id"]}
    names |= dict.fromkeys(("recipe", "model", "feature_set", "alias"), "nothing")
    names |= {"version": "1", "key_id": "x", "user_id": "x", "session_id": "x"}
    for operation in operations(admin):
        is_stream = operation.path.endswith("/events")
        if (
            operation.method == "get"
            and operation.name not in ENDLESS
            and not is_stream
        ):
            call(admin, operation, names)
    for job in jobs:
        admin.get(f"/api/jobs/{job['id']}")
        admin.get(f"/api/jobs/{job['id']}/log")


def tells(text: str, secret: str) -> bool:
    """Whether a text holds a secret, or so much of it that the rest can be guessed."""
    parts = (secret, secret[5:], secret[:-5])
    return any(part in text for part in parts)


def found_in(planted: Planted, text: str) -> list[str]:
    return [n for n, secret in planted.secrets.items() if tells(text, secret)]


@pytest.mark.slow
def test_f07_no_answer_tells_a_secret(planted: Planted) -> None:
    assert len(planted.said) > 60
    for text in planted.said:
        assert found_in(planted, text) == [], text[:2000]


@pytest.mark.slow
def test_f07_no_line_of_the_log_tells_a_secret(planted: Planted) -> None:
    text = planted.server.log.read_text("utf-8")
    assert "/api/session" in text
    assert found_in(planted, text) == []


@pytest.mark.slow
def test_f07_no_dump_of_the_database_tells_a_secret(planted: Planted) -> None:
    with closing(sqlite3.connect(planted.server.data_dir / "foretell.db")) as database:
        dump = "\n".join(database.iterdump())
        jobs = database.execute("SELECT task, args, error FROM jobs").fetchall()
    assert {task for task, *_ in jobs} >= {"mail.send", "datasets.import"}
    assert found_in(planted, dump) == []
    # The link that sets a password stands in nothing that can be read.
    assert not re.search(r"#/reset/\w+", dump)


@pytest.mark.slow
def test_f07_no_file_but_those_for_secrets_holds_one(planted: Planted) -> None:
    searched = 0
    for file in planted.server.data_dir.rglob("*"):
        if file.is_file() and not is_for_secrets(file):
            searched += 1
            text = file.read_bytes().decode("latin-1")
            assert found_in(planted, text) == [], file
    assert searched > 2


def is_for_secrets(file: Path) -> bool:
    """Files that only their owner can read."""
    is_named = file.name in ("cli.key", "secret.key")
    assert not is_named or file.stat().st_mode & 0o077 == 0
    return is_named
