"""What goes wrong in the plain patterns, row by row, and must not go wrong here.

The rows are those of docs/coverage.md: sign-up, log-in, CSV upload, background mail
and prediction as they are usually written with FastAPI, bcrypt, pandas, Celery and
pickle. Each test asks a served application for what a user would see; the tests of
the areas go deeper.
"""

import contextlib
import gzip
import importlib.metadata
import io
import json
import os
import pickle
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import joblib
import jwt
import pandas
import pytest
from sklearn.linear_model import LinearRegression

from foretell.core.principal import Principal
from foretell.http.dependencies import get_current_user
from tests.acceptance.conftest import (
    IRIS,
    LARGEST_UPLOAD,
    NAMES,
    ROW,
    estimators,
    upload_model,
)
from tests.acceptance.processes import command, descendants, finish, is_worker
from tests.brokers import RedisServer
from tests.conftest import Callers
from tests.databases import administer, throw_away
from tests.models.application import dump
from tests.security import jose
from tests.served import COMMAND, PASSWORD, Server, unique, upload

Client = httpx2.Client
Answer = httpx2.Response

ROOT = Path(__file__).parents[2]
HEADER = "id,name,email\n"
PUBLIC = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/version",
    "/token",
    "/token/revoke",
    "/.well-known/jwks.json",
    "/api/password/forgot",
    "/api/password/reset",
    "/api/email/confirm",
    "/api/setup",
    "/api/session",
    "/v2/health/live",
    "/v2/health/ready",
}


def refused(answer: Answer, status: int, *words: str) -> dict[str, Any]:
    """The problem document, once it is what every refusal must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["request_id"] == answer.headers["x-request-id"]
    for word in words:
        assert word in answer.text
    return document


def sign_up(client: Client, email: str, **fields: Any) -> Answer:
    body = {"email": email, "password": PASSWORD, "name": "Ann", **fields}
    return client.post("/api/users", json=body)


def log_in(client: Client, email: str, password: str = PASSWORD) -> Answer:
    form = {"grant_type": "password", "username": email, "password": password}
    return client.post("/token", data=form)


def address(prefix: str = "ann") -> str:
    return f"{unique(prefix)}@example.org"


def signed_up(client: Client) -> tuple[str, str, dict[str, str]]:
    """A new account's id and e-mail, and the header of its access token."""
    email = address()
    made = sign_up(client, email)
    assert made.status_code == 201, made.text
    token = log_in(client, email).json()["access_token"]
    return made.json()["id"], email, {"Authorization": f"Bearer {token}"}


def imported(client: Client, content: bytes | str, **fields: Any) -> dict[str, Any]:
    """The dataset that a file becomes, with its `items`."""
    name = unique("d")
    made = upload(client, name, content, **fields)
    assert made.status_code == 201, made.text
    rows = client.get(f"/api/datasets/{name}/rows").json()
    return {**made.json(), "items": rows["items"]}


def rejects(client: Client, dataset: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(f"/api/datasets/{dataset['name']}/rejects")
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def predict(client: Client, model: str, **body: Any) -> Answer:
    return client.post(f"/api/models/{model}/predict", json=body)


def first(answer: Answer) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["predictions"][0]
    return found


def submit(client: Client, task: str, wait: int = 0, **body: Any) -> Answer:
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    return client.post("/api/jobs", json={"task": task, **body}, headers=headers)


def slowest_health(client: Client, seconds: float) -> list[float]:
    """How long each `/healthz` took, one after the other, for some seconds."""
    found, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        assert client.get("/healthz").status_code == 200
        found.append(time.perf_counter() - started)
    return found


def peak_memory(server: Server) -> int:
    """Most bytes the API process ever held."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


# Install and start


def test_d01_the_base_install_brings_what_it_imports(callers: Callers) -> None:
    wanted = importlib.metadata.requires("foretell") or []
    base = {line.partition(";")[0].strip() for line in wanted if "extra ==" not in line}
    assert any(re.match(r"sqlalchemy\[.*asyncio", line) for line in base), base
    answer = callers.nobody.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_d02_a_missing_extra_is_named_at_start(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", database_url="mysql+aiomysql://a@127.0.0.1/b")
    done = server.run("serve", "--port", "0", check=False)
    assert done.returncode == 2
    assert "pip install 'foretell[mysql]'" in done.stderr


def test_d03_a_server_without_a_model_serves(
    idle_server: Server, idle_key: str
) -> None:
    with idle_server.client(idle_key) as client:
        assert client.get("/api/models").json() == {"items": [], "next": None}
        assert client.get("/api/datasets").status_code == 200
        assert client.get("/readyz").json()["status"] == "ok"


def test_d04_a_class_of_a_notebook_is_refused_by_name(
    callers: Callers, models: dict[str, str]
) -> None:
    # What pickle writes for an instance of a class `Clip` typed into a notebook.
    clip = b"\x80\x04\x8c\x08__main__\x8c\x04Clip\x93)\x81."
    answer = upload_model(callers.editor, unique("clip"), clip)
    refused(answer, 422, "__main__", "Clip", "PICKLE_ALLOW")
    assert predict(callers.editor, models["flowers"], rows=[ROW]).status_code == 200


def test_d05_onnx_and_compressed_files_load(callers: Callers) -> None:
    from skl2onnx import to_onnx

    estimator = estimators()["binary"]
    sample = IRIS.data.to_numpy("float32")[:1]
    onnx = to_onnx(estimator, sample).SerializeToString()
    packed = io.BytesIO()
    joblib.dump(estimator, packed, compress=3)
    name = unique("files")
    for content, filename in ((onnx, "m.onnx"), (packed.getvalue(), "m.joblib")):
        made = upload_model(callers.editor, name, content, filename)
        assert made.status_code == 201, made.text
        assert first(predict(callers.editor, name, features=[5, 3, 1, 0.2])) is not None
    refused(upload_model(callers.editor, name, onnx[:10], "m.onnx"), 415, "cut off")


class Hostile:
    def __reduce__(self) -> Any:
        return os.system, ("touch pwned.txt",)


def test_d06_a_hostile_pickle_is_refused_and_never_runs(callers: Callers) -> None:
    answer = upload_model(callers.admin, unique("bad"), pickle.dumps([Hostile()]))
    assert refused(answer, 422, "system")["safety"]["outcome"] == "hostile"
    assert not list(callers.server.data_dir.parent.rglob("pwned.txt"))


def test_d07_the_library_version_of_a_pickle_is_told(callers: Callers) -> None:
    installed = importlib.metadata.version("scikit-learn")
    older = "1.4.2".ljust(len(installed), "0").encode()
    content = pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
    assert content.count(installed.encode()) == 1
    name = unique("old")
    content = content.replace(installed.encode(), older)
    assert upload_model(callers.editor, name, content).status_code == 201
    found = callers.editor.get(f"/api/models/{name}/versions/1").json()
    versions = {"installed": installed, "saved": older.decode()}
    assert found["libraries"]["scikit-learn"] == versions
    assert older.decode() in " ".join(found["warnings"])


def test_d08_a_secret_is_made_and_a_short_one_refused(
    callers: Callers, tmp_path: Path
) -> None:
    kept = [p for p in callers.server.data_dir.iterdir() if "secret" in p.name]
    assert [p.stat().st_mode & 0o077 for p in kept] == [0]
    assert len(kept[0].read_bytes()) >= 32
    server = Server(tmp_path / "data", secret_key="k" * 31)
    done = server.run("serve", "--port", "0", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("FORETELL_SECRET_KEY: needs at least 32 bytes")


@pytest.fixture(scope="module")
def on_postgresql(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Client, str]]:
    """Somebody with a token at a server on PostgreSQL, and that database's URL."""
    with throw_away("postgresql") as url:
        folder = tmp_path_factory.mktemp("pg") / "data"
        server = Server(folder, database_url=url, signup="open")
        with server.start("--no-worker").running(), server.client() as client:
            _, _, header = signed_up(client)
            client.headers.update(header)
            yield client, url


def cut_connections(url: str) -> None:
    base, _, name = url.rpartition("/")
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    administer(f"{base}/postgres", f"{ending} WHERE datname = '{name}'")


@contextlib.contextmanager
def closed_database(url: str) -> Iterator[None]:
    """Nobody gets a connection to the database inside the block."""
    base, _, name = url.rpartition("/")
    closing = f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS"
    administer(f"{base}/postgres", f"{closing} false")
    try:
        cut_connections(url)
        yield
    finally:
        administer(f"{base}/postgres", f"{closing} true")


def test_d09_without_its_database_a_server_says_so(
    on_postgresql: tuple[Client, str],
) -> None:
    client, url = on_postgresql
    with closed_database(url):
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["parts"]["database"]["reason"]
        answer = sign_up(client, address())
        refused(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
    assert sign_up(client, address()).status_code == 201


def test_d10_another_schema_is_upgraded_or_refused_in_one_line(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "data")
    done = server.run("serve", "--port", "0", "--no-migrate", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "The database is empty. Make its tables with: foretell db upgrade"
    ]
    with contextlib.closing(sqlite3.connect(server.data_dir / "foretell.db")) as db:
        db.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        db.execute("INSERT INTO alembic_version VALUES ('9999')")
        db.commit()
    done = server.run("serve", "--port", "0", check=False)
    assert done.returncode == 1
    assert "9999" in done.stderr.splitlines()[-1]


def test_d11_cut_connections_reach_nobody(
    on_postgresql: tuple[Client, str],
) -> None:
    client, url = on_postgresql
    assert sign_up(client, address()).status_code == 201
    cut_connections(url)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: sign_up(client, address()), range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6


def test_d12_the_processes_of_the_api_hold_no_model_library(
    callers: Callers, models: dict[str, str]
) -> None:
    for kind in ("price", "margin"):
        body = {"features": list(ROW.values())}
        assert predict(callers.editor, models[kind], **body).status_code == 200
    assert callers.server.process is not None
    api = callers.server.process.pid
    for process in (api, *filter(is_worker, descendants(api))):
        loaded = Path(f"/proc/{process}/maps").read_text()
        for library in ("/sklearn/", "/pandas/", "/polars"):
            assert library not in loaded, command(process)


def test_d13_any_warning_is_an_error_and_none_comes_up(
    open_server: Server, open_admin: Client
) -> None:
    assert open_server.environment["PYTHONWARNINGS"] == "error"
    assert submit(open_admin, "system.echo", wait=30).json()["state"] == "succeeded"
    assert "Warning" not in open_server.log.read_text("utf-8")
    source = "\n".join(p.read_text("utf-8") for p in (ROOT / "src").rglob("*.py"))
    assert "utcnow(" not in source


@pytest.mark.slow
def test_d14_the_code_is_typed_linted_and_formatted() -> None:
    for tool in (["ruff", "check"], ["black", "--check", "-q"], ["mypy"]):
        folders = [] if tool == ["mypy"] else ["src", "tests"]
        done = subprocess.run(
            [sys.executable, "-m", *tool, *folders],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


# Users and tokens


def test_d15_an_address_signs_up_once(stranger: Client) -> None:
    email = address()
    assert sign_up(stranger, email).status_code == 201
    refused(sign_up(stranger, email), 409)


def test_d16_of_eight_sign_ups_at_once_one_wins(open_admin: Client) -> None:
    email = address()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sign_up(open_admin, email), range(8)))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 7


def test_d17_the_database_itself_refuses_a_second_account(
    open_server: Server, stranger: Client
) -> None:
    user_id, email, _ = signed_up(stranger)
    with contextlib.closing(
        sqlite3.connect(open_server.data_dir / "foretell.db", timeout=10)
    ) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(users)")]
        others = ", ".join(c for c in columns if c != "id")
        statement = (
            f"INSERT INTO users (id, {others}) "  # noqa: S608 - names of columns
            f"SELECT 'twin', {others} FROM users WHERE id = ?"
        )
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            db.execute(statement, (user_id,))
    assert log_in(stranger, email).status_code == 200


def test_d18_capitals_make_no_second_account(stranger: Client) -> None:
    email = address("Ann")
    assert sign_up(stranger, email).status_code == 201
    refused(sign_up(stranger, email.upper()), 409)
    assert log_in(stranger, email.upper()).status_code == 200


@pytest.mark.parametrize("password", ["é" + "x" * 72, "密码" * 12 + "长", "x" * 1000])
def test_d19_long_passwords_are_passwords(stranger: Client, password: str) -> None:
    email = address()
    assert sign_up(stranger, email, password=password).status_code == 201
    assert log_in(stranger, email, password).status_code == 200
    assert log_in(stranger, email, password[:-1]).status_code == 400
    refused(sign_up(stranger, address(), password="x" * 1025), 422, "1,024 characters")


def test_d20_a_long_wrong_password_is_wrong(stranger: Client) -> None:
    answer = log_in(stranger, address(), "x" * 73)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    body = {"email": address(), "password": "x" * 73}
    refused(stranger.post("/api/session", json=body), 401)


@pytest.mark.parametrize("fields", [{"password": ""}, {"name": ""}, {"name": "  "}])
def test_d21_nothing_is_no_password_and_no_name(
    stranger: Client, fields: dict[str, str]
) -> None:
    found = refused(sign_up(stranger, address(), **fields), 422)
    assert [e["pointer"] for e in found["errors"]] == [f"/{next(iter(fields))}"]


@pytest.mark.parametrize("name", ["A\x00", "A\ud800"])
def test_d22_what_no_database_stores_is_refused(stranger: Client, name: str) -> None:
    body = json.dumps({"email": address(), "password": PASSWORD, "name": name})
    headers = {"Content-Type": "application/json"}
    answer = stranger.post("/api/users", content=body, headers=headers)
    assert refused(answer, 422)["errors"][0]["pointer"] == "/name"


def test_d23_a_refusal_never_repeats_a_password(
    open_server: Server, stranger: Client
) -> None:
    body = {"email": address(), "password": "TopSecret1"}
    answer = stranger.post("/api/users", json=body)
    assert refused(answer, 422)["errors"][0]["pointer"] == "/name"
    assert "TopSecret1" not in answer.text + open_server.log.read_text("utf-8")


def test_d24_a_name_has_a_length(stranger: Client) -> None:
    refused(sign_up(stranger, address(), name="x" * 5_000_000), 413)
    refused(sign_up(stranger, address(), name="x" * 256), 422, "255")


def test_d25_unknown_fields_are_refused(stranger: Client) -> None:
    found = refused(sign_up(stranger, address(), is_admin=True), 422)
    assert [e["pointer"] for e in found["errors"]] == ["/is_admin"]
    refused(sign_up(stranger, address(), role="admin"), 403)


def test_d26_users_are_listed_changed_deleted_and_sign_ups_limited(
    open_admin: Client, stranger: Client
) -> None:
    refused(stranger.get("/api/users"), 401)
    user_id, email, header = signed_up(stranger)
    refused(stranger.get("/api/users", headers=header), 403)
    page = open_admin.get("/api/users?limit=1")
    assert len(page.json()["items"]) == 1
    assert 'rel="next"' in page.headers["link"]
    path = f"/api/users/{user_id}"
    assert open_admin.get(path).json()["email"] == email
    assert open_admin.patch(path, json={"name": "B"}).json()["name"] == "B"
    assert open_admin.delete(path).status_code == 204
    refused(open_admin.get(path), 404)
    answers = [sign_up(stranger, address()).status_code for _ in range(25)]
    assert answers[-1] == 429


def test_d27_guessing_is_slowed_down(stranger: Client) -> None:
    _, email, _ = signed_up(stranger)
    answers = [log_in(stranger, email, f"wrong {n}") for n in range(8)]
    assert [a.status_code for a in answers[:5]] == [400] * 5
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


def test_d28_time_does_not_tell_who_has_an_account(stranger: Client) -> None:
    _, email, _ = signed_up(stranger)
    known: list[float] = []
    unknown: list[float] = []
    for _ in range(4):
        for account, taken in ((email, known), (address("nobody"), unknown)):
            started = time.perf_counter()
            assert log_in(stranger, account, "wrong").status_code == 400
            taken.append(time.perf_counter() - started)
    # The plain pattern's ratio is 78; tests/auth/test_timing.py measures it closely.
    assert 1 / 3 < statistics.median(known) / statistics.median(unknown) < 3


def test_d29_a_token_of_the_log_in_works(stranger: Client) -> None:
    user_id, _, header = signed_up(stranger)
    token = header["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == user_id
    assert stranger.get("/api/me", headers=header).json()["id"] == user_id


def test_d30_tokens_end_with_what_they_stand_on(
    open_admin: Client, stranger: Client
) -> None:
    forged = jwt.encode({"sub": "999999"}, "k" * 32, "HS256")
    answer = stranger.get("/api/me", headers={"Authorization": f"Bearer {forged}"})
    refused(answer, 401)
    change = {"current_password": PASSWORD, "new_password": PASSWORD + " new"}
    endings = [
        lambda user, _: open_admin.delete(f"/api/users/{user}"),
        lambda user, _: open_admin.patch(f"/api/users/{user}", json={"disabled": True}),
        lambda _, header: stranger.post(
            "/api/users/me/password", json=change, headers=header
        ),
    ]
    for end in endings:
        user_id, _, header = signed_up(stranger)
        assert stranger.get("/api/me", headers=header).status_code == 200
        assert end(user_id, header).status_code < 300
        refused(stranger.get("/api/me", headers=header), 401)


@pytest.mark.parametrize("credential", [None, "Bearer x", "Bearer a.b.c", "Basic eDp5"])
def test_d31_every_401_has_a_challenge(
    stranger: Client, credential: str | None
) -> None:
    headers = {} if credential is None else {"Authorization": credential}
    answer = stranger.get("/api/me", headers=headers)
    refused(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")


def test_d32_routes_get_a_typed_caller(callers: Callers) -> None:
    assert get_current_user.__annotations__["return"] is Principal
    me = callers.editor.get("/api/me").json()
    dataset = imported(callers.editor, "a\n1\n")
    assert dataset["owner_id"] == dataset["created_by"] == me["id"]
    keys = callers.editor.get("/api/keys").json()["items"]
    assert {key["owner_id"] for key in keys} == {me["id"]}


def test_d33_tokens_are_renewed_revoked_scoped_and_for_us(stranger: Client) -> None:
    email = address()
    sign_up(stranger, email)
    tokens = log_in(stranger, email).json()
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert {"aud", "iss", "exp", "iat", "jti"} <= set(claims)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    new = stranger.post("/token", data={**form, "scope": "datasets:read"}).json()
    assert new["scope"] == "datasets:read"
    header = {"Authorization": f"Bearer {new['access_token']}"}
    assert stranger.get("/api/datasets", headers=header).status_code == 200
    refused(stranger.get("/api/models", headers=header), 403)
    stranger.post("/token/revoke", data={"token": new["refresh_token"]})
    refused(stranger.get("/api/datasets", headers=header), 401)
    header = {
        "Authorization": f"Bearer {log_in(stranger, email).json()['access_token']}"
    }
    wanted = {"name": "k", "scopes": ["models:read"]}
    key = stranger.post("/api/keys", json=wanted, headers=header).json()["key"]
    header = {"Authorization": f"Bearer {key}"}
    assert stranger.get("/api/models", headers=header).status_code == 200
    refused(stranger.get("/api/datasets", headers=header), 403)


def test_d34_only_doors_are_open(callers: Callers) -> None:
    paths = callers.nobody.get("/openapi.json").json()["paths"]
    unguarded = {
        path
        for path, item in paths.items()
        for operation in item.values()
        if not operation["security"]
    }
    assert unguarded == PUBLIC


def test_d35_tokens_are_of_a_maintained_library(
    open_server: Server, stranger: Client
) -> None:
    wanted = " ".join(importlib.metadata.requires("foretell") or []).lower()
    assert "pyjwt" in wanted
    assert "python-jose" not in wanted
    assert "ecdsa" not in wanted
    _, _, header = signed_up(stranger)
    token = header["Authorization"].removeprefix("Bearer ")
    keys = jwt.PyJWKSet.from_dict(stranger.get("/.well-known/jwks.json").json())
    wanted_key = jwt.get_unverified_header(token)["kid"]
    assert jwt.decode(token, keys[wanted_key], ["ES256"], audience="foretell")["sub"]


def test_d35_tokens_made_elsewhere_can_be_accepted(
    tmp_path: Path, callers: Callers
) -> None:
    """The same tokens as before: HS256 under LEGACY_JWT_SECRET."""
    secrets = (
        "the plain pattern has signed with this",
        "somebody else signs with this",
    )
    claims = {"sub": "admin@example.org", "exp": int(time.time()) + 600}
    right, wrong = (jose.encode(claims, secret) for secret in secrets)
    server = Server(tmp_path / "data", legacy_jwt_secret=secrets[0])
    with server.start("--no-worker").running():
        server.make_admin()
        with server.client(right) as client:
            assert client.get("/api/me").json()["email"] == "admin@example.org"
        with server.client(wrong) as client:
            refused(client.get("/api/me"), 401)
    # A server that was not told of the secret takes none of it.
    with callers.server.client(right) as client:
        refused(client.get("/api/me"), 401)


# CSV upload


def test_d36_one_row_has_a_profile(callers: Callers) -> None:
    dataset = imported(callers.editor, HEADER + "1,Ann,a@x.org\n")
    assert dataset["rows"] == 1
    profile = callers.editor.get(f"/api/datasets/{dataset['name']}/profile").json()
    assert profile["columns"][0]["std"] is None
    assert profile["columns"][0]["mean"] == 1


def test_d37_a_header_alone_is_a_table_without_rows(callers: Callers) -> None:
    dataset = imported(callers.editor, HEADER)
    assert (dataset["rows"], dataset["items"]) == (0, [])
    path = f"/api/datasets/{dataset['name']}/profile"
    assert callers.editor.get(path).json()["rows"] == 0


def test_d38_an_empty_file_is_called_empty(callers: Callers) -> None:
    refused(upload(callers.editor, unique("d"), ""), 422, "empty")


def test_d39_columns_without_values_and_infinity_are_fine(callers: Callers) -> None:
    dataset = imported(callers.editor, "id,v,w\n1,inf,\n2,1.5,\n")
    assert dataset["items"][0] == {"id": 1, "v": None, "w": None}
    profile = callers.editor.get(f"/api/datasets/{dataset['name']}/profile")
    assert profile.json()["columns"][2]["nulls"] == 2


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1252", "Müller Nuñez"), ("utf-16", "Björn"), ("gb18030", "李雷和韩梅梅")],
)
def test_d40_encodings_are_found(callers: Callers, encoding: str, name: str) -> None:
    dataset = imported(callers.editor, f"id,name\n1,{name}\n".encode(encoding))
    assert dataset["items"][0]["name"] == name
    assert dataset["source"]["encoding"].startswith(encoding)


def test_d41_a_picture_is_refused_by_name(callers: Callers) -> None:
    answer = upload(callers.editor, unique("d"), b"\x89PNG\r\n\x1a\n0")
    assert "PNG" in refused(answer, 415, "XLSX", "Parquet")["kind"]


def test_d41_a_workbook_is_imported(callers: Callers) -> None:
    frame = pandas.DataFrame(
        {"id": [1, 2], "name": ["Ann", "Bob"], "email": ["a@x.org", None]}
    )
    file = io.BytesIO()
    frame.to_excel(file, index=False, sheet_name="People")
    dataset = imported(callers.editor, file.getvalue(), filename="people.xlsx")
    assert dataset["items"][1] == {"id": 2, "name": "Bob", "email": None}
    source = dataset["source"]
    assert (source["format"], source["sheets"]) == ("xlsx", ["People"])


def test_d42_gzip_is_imported(callers: Callers) -> None:
    dataset = imported(callers.editor, gzip.compress(b"a,b\n1,2\n"))
    assert dataset["items"] == [{"a": 1, "b": 2}]
    assert dataset["source"]["compression"] == "gzip"


def test_d43_semicolons_and_spaces_are_found(callers: Callers) -> None:
    dataset = imported(callers.editor, "ID; Name; Email\n1;Ann;a@x.org\n")
    assert dataset["items"] == [{"ID": 1, "Name": "Ann", "Email": "a@x.org"}]
    assert dataset["source"]["delimiter"] == ";"


def test_d44_wrong_columns_are_told_with_the_right_ones(callers: Callers) -> None:
    dataset = imported(callers.editor, "id,name\n1,Ann\n")
    path = f"/api/datasets/{dataset['name']}/versions"
    answer = upload(callers.editor, "", "id,title\n2,Dr\n", path=path, mode="append")
    refused(answer, 422, "name", "title")
    options = {"required": ["id", "name", "email"]}
    answer = upload(callers.editor, unique("d"), "ID,title\n2,Dr\n", options=options)
    found = refused(answer, 422, "name, email")
    assert (found["missing"], found["found"]) == (["name", "email"], ["ID", "title"])


def test_d45_a_bad_row_costs_itself_alone(callers: Callers) -> None:
    content = (
        HEADER + '1,Ann,a@x.org\n2,Bob,b@x.org,more\n3,"Cy,c@x.org\n4,Di,d@x.org\n'
    )
    dataset = imported(callers.editor, content)
    assert [row["id"] for row in dataset["items"]] == [1, 4]
    assert [(r["line"], r["code"]) for r in rejects(callers.editor, dataset)] == [
        (3, "too_many_cells"),
        (4, "unclosed_quote"),
    ]


def test_d46_no_column_is_ever_shifted(callers: Callers) -> None:
    rows = "1,Ann,a@x.org,paris\n2,Bob,b@x.org,rome\n3,Cy,c@x.org,oslo\n"
    answer = upload(callers.editor, unique("d"), HEADER + rows)
    found = refused(answer, 422)
    assert (found["names"], found["cells"]) == (3, 4)


def test_d47_rows_may_end_in_a_comma(callers: Callers) -> None:
    dataset = imported(callers.editor, HEADER + "1,Ann,a@x.org,\n2,Bob,b@x.org,\n")
    assert dataset["items"][0] == {"id": 1, "name": "Ann", "email": "a@x.org"}
    assert dataset["source"]["findings"][0]["code"] == "trailing_delimiter"


def test_d48_blank_and_numeric_addresses_are_values(callers: Callers) -> None:
    blank = imported(callers.editor, HEADER + "1,Ann,\n2,Bob,\n")
    assert [row["email"] for row in blank["items"]] == [None, None]
    numbers = imported(callers.editor, HEADER + "1,Ann,5\n2,Bob,6\n")
    assert [row["email"] for row in numbers["items"]] == [5, 6]


def test_d49_what_is_no_address_is_flagged(callers: Callers) -> None:
    """By a check `matches` of a recipe: told of, or kept aside."""
    editor = callers.editor
    rows = "1,Ann,ann@x.org\n2,Bob,not-an-email\n3,Cy,@@\n"
    dataset = imported(editor, HEADER + rows)
    pattern = r"[^@\s]+@[^@\s]+\.[^@\s]+"
    check = {"check": "matches", "column": "email", "pattern": pattern}
    path = f"/api/datasets/{dataset['name']}/runs"
    for severity, left, aside in (("warn", 3, 0), ("reject", 1, 2)):
        recipe, output = unique("addresses"), unique("d")
        body = {"checks": [{**check, "severity": severity}]}
        assert editor.put(f"/api/recipes/{recipe}", json=body).status_code == 201
        run = {"recipe": recipe, "output": output}
        made = editor.post(path, json=run, headers={"Prefer": "wait=50"}).json()
        assert (made["rows"], made["rejects"]) == (left, aside)
        (told,) = made["lineage"]["report"]["checks"]
        assert (told["column"], told["failed"]) == ("email", 2)
    found = editor.get(f"/api/datasets/{output}/rejects").json()["items"]
    assert [(r["line"], r["column"], r["code"]) for r in found] == [
        (2, "email", "matches"),
        (3, "email", "matches"),
    ]


def test_d50_na_and_null_are_kept_in_text(callers: Callers) -> None:
    dataset = imported(callers.editor, HEADER + "1,NA,null\n2,Bob,b@x.org\n")
    assert dataset["items"][0] == {"id": 1, "name": "NA", "email": "null"}


def test_d51_leading_zeros_and_large_ids_are_exact(callers: Callers) -> None:
    content = "id,big\n007,9007199254740993\n010,9007199254740995\n"
    dataset = imported(callers.editor, content)
    assert dataset["items"][0] == {"id": "007", "big": 9007199254740993}
    profile = callers.editor.get(f"/api/datasets/{dataset['name']}/profile").json()
    assert profile["columns"][1]["min"] == 9007199254740993


def test_d52_a_profile_has_one_shape(callers: Callers) -> None:
    content = "id,n,big\na,1,1234567890123456789012345\nb,2,2234567890123456789012345\n"
    dataset = imported(callers.editor, content)
    assert dataset["items"][0]["big"] == "1234567890123456789012345"
    profile = callers.editor.get(f"/api/datasets/{dataset['name']}/profile").json()
    wanted = {"name", "type", "nulls", "distinct", "min", "max", "mean", "std"}
    for column in profile["columns"]:
        assert wanted <= set(column)


def test_d53_every_record_is_a_row_or_a_reject(callers: Callers) -> None:
    lines = [f"{n},x,y" if n % 7 else f"{n},x" for n in range(1, 101)]
    dataset = imported(callers.editor, HEADER + "\n".join(lines))
    assert (dataset["rows"], dataset["rejects"]) == (86, 14)
    assert len(rejects(callers.editor, dataset)) == 14


def test_d54_what_was_uploaded_stays_and_can_be_asked(callers: Callers) -> None:
    dataset = imported(callers.editor, "a\n1\n2\n3\n")
    path = f"/api/datasets/{dataset['name']}"
    upload(callers.editor, "", "a\n9\n", path=f"{path}/versions")
    old = callers.editor.get(
        f"{path}/rows", params={"version": 1, "where": "a >= 2", "limit": 1}
    ).json()
    assert old["items"] == [{"a": 2}]
    rest = callers.editor.get(f"{path}/rows", params={"cursor": old["next"]}).json()
    assert rest["items"] == [{"a": 3}]
    assert callers.editor.get(f"{path}/rows").json()["items"] == [{"a": 9}]


def large_table(megabytes: int) -> bytes:
    line = b"1234567,some text that is not very long,1.25,2024-01-05\n"
    return b"id,note,amount,day\n" + line * (megabytes * 1_000_000 // len(line))


def test_d55_an_upload_costs_the_api_no_memory(callers: Callers) -> None:
    before, name = peak_memory(callers.server), unique("large")
    content = large_table(40)
    started = callers.editor.post(f"/api/datasets?name={name}", content=content)
    assert started.status_code == 202
    job = finish(callers.editor, started.headers["location"])
    assert job["state"] == "succeeded", job
    assert peak_memory(callers.server) - before < 20_000_000
    found = callers.editor.get(f"/api/datasets/{name}").json()
    assert found["rows"] == content.count(b"\n") - 1


def test_d56_uploads_need_an_account_and_have_a_limit(
    open_admin: Client, stranger: Client
) -> None:
    content = b"a\n" + b"1\n" * LARGEST_UPLOAD
    refused(stranger.post("/api/datasets?name=x", content=content), 401)
    refused(open_admin.post("/api/datasets?name=x", content=content), 413)
    refused(upload(open_admin, "x", content), 413)
    assert open_admin.get("/api/datasets/x").status_code == 404


def test_d57_an_upload_holds_up_nobody(callers: Callers) -> None:
    content = large_table(20)
    with ThreadPoolExecutor(1) as pool:
        path = f"/api/datasets?name={unique('beside')}"
        sent = pool.submit(callers.editor.post, path, content=content)
        taken = slowest_health(callers.nobody, 2)
    finish(callers.editor, sent.result().headers["location"])
    # Two cores are shared by both sides, the import and other tests.
    assert sorted(taken)[int(len(taken) * 0.98)] < 0.25


# Background mail


def mail(**fields: str) -> dict[str, str]:
    return {"to": "ann@example.org", "subject": "Hello", "text": "Text", **fields}


def test_d58_mail_needs_no_broker(callers: Callers) -> None:
    job = submit(callers.admin, "mail.send", wait=30, args=mail()).json()
    assert (job["state"], job["result"]["by"]) == ("succeeded", "outbox")
    written = callers.server.data_dir / "outbox" / f"{job['id']}.eml"
    assert "ann@example.org" in written.read_text("utf-8")


@pytest.mark.slow
def test_d58_a_broker_that_is_down_stops_nobody(tmp_path: Path) -> None:
    with RedisServer() as redis:
        redis.kill()
        settings = {"executor": "celery", "broker_url": redis.url}
        server = Server(tmp_path / "data", **settings).start()
        with server.running(), server.client(server.make_admin()) as admin:
            accepted = [
                submit(admin, "mail.send", args=mail(subject=str(number)))
                for number in range(3)
            ]
            assert [answer.status_code for answer in accepted] == [202] * 3
            assert max(slowest_health(admin, 1)) < 1
            assert admin.get("/readyz").json()["parts"]["broker"]["ok"] is False
            redis.start()
            for answer in accepted:
                ended = finish(admin, answer.headers["Location"], 60)
                assert (ended["state"], ended["attempt"]) == ("succeeded", 1)
            assert len(list((server.data_dir / "outbox").iterdir())) == 3


@pytest.mark.slow
def test_d59_a_broker_that_hangs_stops_nobody(tmp_path: Path) -> None:
    with RedisServer() as redis:
        settings = {"executor": "celery", "broker_url": redis.url}
        server = Server(tmp_path / "data", **settings).start()
        with server.running(), server.client(server.make_admin()) as admin:
            redis.freeze()
            accepted = submit(admin, "mail.send", args=mail())
            assert accepted.status_code == 202
            assert max(slowest_health(admin, 3)) < 1
            redis.thaw()
            path = accepted.headers["Location"]
            assert finish(admin, path, 60)["state"] == "succeeded"
            tries = admin.get(f"{path}/attempts").json()["items"]
            assert [t["outcome"] for t in tries] == ["succeeded"]
            redis.freeze()
            assert submit(admin, "mail.send", args=mail()).status_code == 202
            assert server.stop(seconds=10) == 0


def test_d60_a_job_survives_its_worker(callers: Callers) -> None:
    job = submit(callers.editor, "system.sleep", args={"seconds": 1}).json()
    path = f"/api/jobs/{job['id']}"
    assert callers.server.process is not None
    deadline = time.monotonic() + 20
    while not callers.editor.get(path).json()["progress"]["total"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers = [p for p in descendants(callers.server.process.pid) if is_worker(p)]
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    job = finish(callers.editor, path, 60)
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    tries = callers.editor.get(f"{path}/attempts").json()["items"]
    assert [t["outcome"] for t in tries] == ["worker_died", "succeeded"]


@pytest.mark.slow
def test_d61_waiting_jobs_survive_the_server(
    idle_server: Server, idle_key: str
) -> None:
    with idle_server.client(idle_key) as client:
        jobs = [
            submit(client, "system.echo", args={"value": n}).json()["id"]
            for n in range(3)
        ]
    idle_server.stop(signal.SIGKILL)
    idle_server.start("--no-worker")
    worker = subprocess.Popen(
        [*COMMAND, "worker", "--concurrency", "1"],
        env=idle_server.environment,
        cwd=idle_server.data_dir.parent,
    )
    try:
        with idle_server.client(idle_key) as client:
            done = [finish(client, f"/api/jobs/{job}", 30) for job in jobs]
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
    assert [job["result"] for job in done] == [{"value": n} for n in range(3)]


def test_d62_a_queue_without_a_worker_is_visible(
    idle_server: Server, idle_key: str
) -> None:
    with idle_server.client(idle_key) as client:
        answer = submit(client, "system.echo", run_at="2020-01-01T00:00:00Z")
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")
        assert answer.headers["location"] == f"/api/jobs/{answer.json()['id']}"
        jobs = client.get("/readyz").json()["parts"]["jobs"]
        assert jobs["queued"] >= 1
        assert jobs["oldest_due_seconds"] > 60
        assert jobs["is_stalled"]
        client.post(answer.headers["location"] + "/cancel")


@pytest.mark.parametrize("to", ["999999", "-1", "1" * 30, "", "a@b@c", None])
def test_d63_a_wrong_receiver_is_refused_before_the_queue(
    callers: Callers, to: str | None
) -> None:
    before = callers.admin.get("/api/jobs?task=mail.send&limit=1000").json()["items"]
    answer = submit(callers.admin, "mail.send", args={**mail(), "to": to})
    found = refused(answer, 422)
    assert found["errors"][0]["pointer"] == "/args/to"
    after = callers.admin.get("/api/jobs?task=mail.send&limit=1000").json()["items"]
    assert [job["id"] for job in after] == [job["id"] for job in before]


def test_d64_the_same_request_twice_is_one_mail(callers: Callers) -> None:
    subject = unique("once")
    headers = {"Idempotency-Key": subject, "Prefer": "wait=30"}
    body = {"task": "mail.send", "args": mail(subject=subject)}
    answers = [
        callers.admin.post("/api/jobs", json=body, headers=headers) for _ in range(2)
    ]
    assert len({answer.json()["id"] for answer in answers}) == 1
    outbox = callers.server.data_dir / "outbox"
    sent = [p for p in outbox.iterdir() if subject in p.read_text("utf-8")]
    assert len(sent) == 1


def test_d65_a_failing_job_is_tried_again_and_then_visible(open_admin: Client) -> None:
    first_try = submit(open_admin, "mail.send", args=mail(), max_attempts=2).json()
    path = f"/api/jobs/{first_try['id']}"
    deadline = time.monotonic() + 20
    while not open_admin.get(f"{path}/attempts").json()["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    waiting = open_admin.get(path).json()
    assert waiting["state"] in ("queued", "running")
    assert waiting["max_attempts"] == 2
    args = {"args": mail(), "max_attempts": 1}
    dead = submit(open_admin, "mail.send", wait=30, **args).json()
    assert dead["state"] == "failed"
    assert dead["error"]["type"].endswith("/mail-server-away")
    listed = open_admin.get("/api/jobs?state=failed").json()["items"]
    assert dead["id"] in [job["id"] for job in listed]
    assert open_admin.post(f"/api/jobs/{dead['id']}/retry").status_code == 202


def test_d66_the_state_of_a_job_can_be_asked(callers: Callers) -> None:
    made = submit(callers.editor, "system.echo", args={"value": [1, None]})
    job = finish(callers.editor, made.headers["location"])
    assert (job["state"], job["result"]) == ("succeeded", {"value": [1, None]})
    assert job["finished_at"] >= job["started_at"] >= job["created_at"]


def test_d67_not_everybody_queues_mail(callers: Callers) -> None:
    refused(submit(callers.nobody, "mail.send", args=mail()), 401)
    refused(submit(callers.viewer, "mail.send", args=mail()), 403)
    refused(submit(callers.editor, "mail.send", args=mail()), 403)


def test_d68_jobs_have_progress_priority_and_can_be_cancelled(
    callers: Callers,
) -> None:
    late = "2999-01-01T00:00:00Z"
    waiting = submit(callers.editor, "system.echo", run_at=late, priority=7)
    assert waiting.json()["priority"] == 7
    ended = callers.editor.post(waiting.headers["location"] + "/cancel").json()
    assert ended["state"] == "cancelled"
    made = submit(callers.editor, "system.sleep", args={"seconds": 60}, priority=9)
    path = made.headers["location"]
    deadline = time.monotonic() + 20
    while callers.editor.get(path).json()["progress"]["total"] != 60:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    callers.editor.post(f"{path}/cancel")
    assert finish(callers.editor, path, 10)["state"] == "cancelled"


def test_d68_jobs_run_on_schedules(callers: Callers) -> None:
    """A schedule ticks by itself, and its job is its owner's."""
    path = "/api/schedules/each-second"
    body = {"task": "system.echo", "args": {"value": 68}, "every_s": 1}
    made = callers.editor.put(path, json=body)
    assert made.status_code == 201
    assert len(made.json()["next_runs"]) == 5
    refused(callers.other.get(path), 404, "each-second")
    deadline = time.monotonic() + 15
    ticks: list[Any] = []
    while not ticks and time.monotonic() < deadline:
        time.sleep(0.05)
        ticks = callers.editor.get(f"{path}/ticks").json()["items"]
    assert ticks
    job = finish(callers.editor, f"/api/jobs/{ticks[-1]['job_id']}", 10)
    assert (job["state"], job["result"]) == ("succeeded", {"value": 68})
    assert callers.editor.delete(path).status_code == 204


# Prediction


@pytest.mark.parametrize("count", [3, 0, 5, 3_000_000])
def test_d69_a_wrong_number_of_features_is_told(
    callers: Callers, models: dict[str, str], count: int
) -> None:
    answer = predict(callers.editor, models["binary"], features=[0] * count)
    refused(answer, 422, "Expected 4 values", f"got {count:,}")


@pytest.mark.parametrize("value", [b"NaN", b"1e400", b"-Infinity", b"null"])
def test_d70_what_is_no_number_is_refused(
    callers: Callers, models: dict[str, str], value: bytes
) -> None:
    answer = callers.editor.post(
        f"/api/models/{models['binary']}/predict",
        content=b'{"features": [1, 2, 3, ' + value + b"]}",
        headers={"Content-Type": "application/json"},
    )
    refused(answer, 422)


def test_d71_a_regression_gives_its_value(
    callers: Callers, models: dict[str, str]
) -> None:
    found = first(predict(callers.editor, models["price"], rows=[ROW]))
    assert found == {"prediction": pytest.approx(ROW[NAMES[0]] * 2.5)}


def test_d72_a_model_without_probabilities_gives_its_score(
    callers: Callers, models: dict[str, str]
) -> None:
    features = [6.5, 3.0, 5.5, 2.0]
    found = first(predict(callers.editor, models["margin"], features=features))
    score = estimators()["margin"].decision_function([features])[0]
    assert found == {"prediction": 1, "decision": pytest.approx(score, abs=1e-5)}


def test_d73_labels_may_be_text(callers: Callers, models: dict[str, str]) -> None:
    body = {"model": models["flowers"], "rows": [ROW]}
    found = callers.editor.post("/api/predict", json=body).json()
    assert found["prediction"] == found["predictions"][0]["prediction"] == "setosa"


def test_d74_each_class_has_its_own_probability(
    callers: Callers, models: dict[str, str]
) -> None:
    estimator, last = estimators()["flowers"], IRIS.data.iloc[[149]]
    row = dict(zip(NAMES, last.to_numpy()[0].tolist(), strict=True))
    found = first(predict(callers.editor, models["flowers"], rows=[row]))
    wanted = dict(
        zip(estimator.classes_, estimator.predict_proba(last)[0], strict=True)
    )
    assert found["prediction"] == "virginica"
    assert found["probabilities"] == pytest.approx(wanted, abs=1e-6)


def test_d75_the_probability_is_that_of_the_label(
    callers: Callers, models: dict[str, str]
) -> None:
    body = {"model": models["binary"], "features": list(ROW.values())}
    found = callers.editor.post("/api/predict", json=body).json()
    assert found["prediction"] == 0
    assert found["probability"] == found["predictions"][0]["probabilities"]["0"] > 0.5


def test_d76_the_order_of_names_changes_nothing(
    callers: Callers, models: dict[str, str]
) -> None:
    there = first(predict(callers.editor, models["flowers"], rows=[ROW]))
    back = dict(reversed(ROW.items()))
    answer = first(predict(callers.editor, models["flowers"], rows=[back]))
    assert answer["probabilities"] == pytest.approx(there["probabilities"], abs=1e-9)
    renamed = {**ROW, "other": 1.0}
    refused(predict(callers.editor, models["flowers"], rows=[renamed]), 422, "other")


def test_d77_rows_go_by_name_and_by_column(
    callers: Callers, models: dict[str, str]
) -> None:
    rows = predict(callers.editor, models["flowers"], rows=[ROW, ROW]).json()
    data = [list(ROW.values())] * 2
    columns = predict(callers.editor, models["flowers"], columns=NAMES, data=data)
    assert rows == columns.json()
    assert len(rows["predictions"]) == 2


@pytest.mark.parametrize("value", ["13.0", True, [1.0], {}])
def test_d78_values_are_not_turned_into_numbers(
    callers: Callers, models: dict[str, str], value: Any
) -> None:
    row = {**ROW, NAMES[1]: value}
    found = refused(predict(callers.editor, models["flowers"], rows=[row]), 422)
    assert found["errors"][0]["pointer"] == f"/rows/0/{NAMES[1]}"


def test_d79_the_list_of_faults_has_an_end(
    callers: Callers, models: dict[str, str]
) -> None:
    rows = [dict.fromkeys(NAMES, "x")] * 25_000
    answer = predict(callers.editor, models["flowers"], rows=rows)
    assert 10 <= len(refused(answer, 422)["errors"]) <= 100
    assert len(answer.content) < 64 * 1024


def test_d80_a_new_version_serves_at_once_and_says_its_number(
    callers: Callers,
) -> None:
    name, estimator = unique("swap"), LinearRegression()
    for version, slope in ((1, 2.0), (2, 3.0)):
        content = dump(estimator.fit([[0.0], [1.0]], [0.0, slope]))
        assert upload_model(callers.editor, name, content).status_code == 201
        answer = predict(callers.editor, name, features=[1.0]).json()
        assert answer["version"] == version
        assert answer["predictions"][0]["prediction"] == pytest.approx(slope)


def test_d81_predictions_need_a_scope(callers: Callers, models: dict[str, str]) -> None:
    refused(predict(callers.nobody, models["flowers"], rows=[ROW]), 401)
    refused(predict(callers.other, models["flowers"], rows=[ROW]), 404)
    wanted = {"name": "reads", "scopes": ["models:read"]}
    key = callers.editor.post("/api/keys", json=wanted).json()["key"]
    with callers.server.client(key) as client:
        refused(predict(client, models["flowers"], rows=[ROW]), 403)


def test_d82_a_model_documents_names_types_classes_and_an_example(
    callers: Callers, models: dict[str, str]
) -> None:
    path = f"/api/models/{models['flowers']}/predict"
    found = callers.editor.get("/openapi.json").json()["paths"][path]["post"]
    body = found["requestBody"]["content"]["application/json"]
    row = body["schema"]["oneOf"][0]["properties"]["rows"]["items"]
    assert {n: p["type"] for n, p in row["properties"].items()} == dict.fromkeys(
        NAMES, "number"
    )
    assert "virginica" in json.dumps(found["responses"]["200"])
    assert callers.editor.post(path, json=body["example"]).status_code == 200
    assert path not in callers.nobody.get("/openapi.json").json()["paths"]


# General


def test_d83_every_refusal_is_a_problem_and_keeps_the_connection(
    callers: Callers,
) -> None:
    json_type = {"Content-Type": "application/json"}
    calls: list[tuple[str, str, dict[str, Any], int]] = [
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/healthz", {}, 405),
        ("GET", f"/api/datasets/{unique('none')}", {}, 404),
        ("POST", "/api/jobs", {"content": b"{", "headers": json_type}, 422),
        ("POST", "/api/jobs", {"content": b"x" * 2_000_000}, 413),
        ("GET", "/api/jobs?limit=x", {}, 422),
        ("GET", "/healthz", {"headers": {"Host": "evil.example"}}, 421),
    ]
    for method, path, arguments, status in calls:
        refused(callers.editor.request(method, path, **arguments), status)
        assert callers.editor.get("/api/me").status_code == 200


def test_d84_a_browser_front_end_is_let_in_by_name(stranger: Client) -> None:
    ours, theirs = "https://app.example.org", "https://evil.example.org"
    for origin, allowed in ((ours, ours), (theirs, None)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = stranger.options("/api/datasets", headers=headers)
        assert answer.headers.get("access-control-allow-origin") == allowed
        answer = stranger.get("/healthz", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("page", ["/docs", "/"])
def test_d85_pages_load_nothing_from_elsewhere(callers: Callers, page: str) -> None:
    answer = callers.nobody.get(page)
    assert answer.headers["content-type"].startswith("text/html")
    assert not re.search(r"(src|href)=[\"'](https?:)?//", answer.text)
    links = re.findall(r"(?:src|href)=\"([^\"#]+)\"", answer.text)
    assert {callers.nobody.get(link).status_code for link in links} == {200}
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_d86_what_happens_can_be_seen(
    open_server: Server, open_admin: Client, tmp_path: Path
) -> None:
    request_id = unique("request")
    headers = {"X-Request-ID": request_id}
    body = {"name": "audited", "scopes": ["jobs:read"]}
    made = open_admin.post("/api/keys", json=body, headers=headers)
    assert made.headers["x-request-id"] == request_id
    assert "foretell_http_requests_total" in open_admin.get("/metrics").text
    entries = open_admin.get("/api/audit").json()["items"]
    assert request_id in [entry["request_id"] for entry in entries]
    deadline = time.monotonic() + 5
    while request_id not in open_server.log.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert made.json()["key"] not in open_server.log.read_text("utf-8")
    for name, value in (("PORT", "abc"), ("RATE_LIMIT", "100")):
        server = Server(tmp_path / "data", **{name: value})
        done = server.run("serve", check=False)
        assert done.returncode == 2
        assert f"FORETELL_{name}" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_d86_callers_can_be_rate_limited(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", rate_limit="20/hour").start("--no-worker")
    with server.running(), server.client(server.make_admin()) as admin:
        answers = [admin.get("/api/me") for _ in range(21)]
        assert [a.status_code for a in answers] == [200] * 20 + [429]
        assert answers[0].headers["ratelimit-policy"] == '"caller";q=20;w=3600'
        assert answers[0].headers["ratelimit"].startswith('"caller";r=19;t=')
        assert 170 < int(answers[20].headers["retry-after"]) <= 180
        assert answers[20].json()["type"].endswith("/too-many-requests")
        with server.client() as nobody:
            assert nobody.get("/api/version").status_code == 200
            assert nobody.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 422), (b"[" * 90_000, 400), (b'{"a":' * 90_000, 400), (b"\xff", 400)],
)
def test_d87_malformed_json_is_refused(
    callers: Callers, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = callers.editor.post("/api/jobs", content=content, headers=headers)
    refused(answer, status)
