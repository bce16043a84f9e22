"""The defects of the plain patterns, one test a row, over HTTP on a served application.

The rows are D1 to D87 of the project's requirements; docs/coverage.md says what each
is about and names the tests of rows that are measured elsewhere.
"""

import concurrent.futures
import datetime as dt
import gzip
import io
import json
import os
import pickle
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import joblib
import jwt
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from tests.conftest import Callers
from tests.databases import SERVERS, administer, throw_away
from tests.served import COMMAND, PASSWORD, Server, unique, upload

IRIS = load_iris(as_frame=True)
INPUTS = IRIS.data.rename(columns=lambda name: name.split(" (")[0].replace(" ", "_"))
SPECIES = pd.Series([IRIS.target_names[n] for n in IRIS.target])
ROW = {name: float(value) for name, value in INPUTS.iloc[0].items()}


def slug(answer: httpx2.Response) -> str:
    """The last part of a problem's type."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["type"].rsplit("/", 1)[-1])


def new_user(**changes: Any) -> dict[str, Any]:
    return {
        "email": f"{unique('u')}@example.org",
        "password": PASSWORD,
        "name": "A",
    } | changes


def sign_in(client: httpx2.Client, email: str, password: str) -> httpx2.Response:
    form = {"grant_type": "password", "username": email, "password": password}
    return client.post("/token", data=form)


def dump(model: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(model, stream, compress=3)
    return stream.getvalue()


def upload_model(
    client: httpx2.Client, name: str, content: bytes, **metadata: Any
) -> httpx2.Response:
    return client.post(
        f"/api/models/{name}/versions",
        files={"artifact": ("model.joblib", content)},
        data={"metadata": json.dumps(metadata)} if metadata else {},
        headers={"Prefer": "wait=55"},
    )


class Runs:
    def __reduce__(self) -> Any:
        return os.system, ("touch pwned.txt",)


MODELS: dict[str, Callable[[], Any]] = {
    "labels": lambda: LogisticRegression(max_iter=500).fit(INPUTS, SPECIES),
    "numbers": lambda: LogisticRegression(max_iter=500).fit(INPUTS, IRIS.target),
    "binary": lambda: LogisticRegression().fit(INPUTS[:100], IRIS.target[:100]),
    "value": lambda: LinearRegression().fit(INPUTS, INPUTS["petal_width"] * 1.5),
    "svc": lambda: SVC().fit(INPUTS, SPECIES),
}


@pytest.fixture(scope="module")
def models(callers: Callers) -> Callable[..., httpx2.Response]:
    """Ask one of `MODELS`, uploaded when first asked for."""
    names: dict[str, str] = {}

    def ask(kind: str, body: Any, **query: Any) -> httpx2.Response:
        if kind not in names:
            name = unique(kind)
            made = upload_model(callers.editor, name, dump(MODELS[kind]()))
            assert made.status_code == 201, made.text
            names[kind] = name
        path = f"/api/models/{names[kind]}/predict"
        return callers.editor.post(path, json=body, params=query)

    return ask


def one(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["predictions"][0]
    return found


@pytest.fixture
def imported(callers: Callers) -> Callable[..., dict[str, Any]]:
    """Import a file and give the dataset with its rows and rejects."""

    def run(content: bytes | str, **fields: Any) -> dict[str, Any]:
        name = unique("d")
        made = upload(callers.editor, name, content, **fields)
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        for what in ("rows", "rejects"):
            page = callers.editor.get(f"/api/datasets/{name}/{what}")
            found[f"{what}_items"] = page.json()["items"]
        found["types"] = {c["name"]: c["type"] for c in found["columns"]}
        return found

    return run


# --- Da: install and start ------------------------------------------------------


def test_d1_a_plain_installation_serves(callers: Callers) -> None:
    assert callers.nobody.get("/healthz").json() == {"status": "ok"}


def test_d2_a_missing_extra_is_named_at_start(tmp_path: Path) -> None:
    local = Server(tmp_path / "data", database_url="mysql+aiomysql://root@127.0.0.1/x")
    done = local.run("serve", "--port", "0", check=False)
    assert done.returncode == 2
    assert "pip install 'foretell[mysql]'" in done.stderr


def test_d3_a_server_without_models_serves(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    with server.running(), server.client(server.make_admin()) as client:
        answer = client.get("/api/models").json()
    assert answer == {"items": [], "next": None}


def test_d4_a_class_of_a_notebook_is_refused_with_the_way_out(
    callers: Callers,
) -> None:
    script = (
        "import pickle, sys\n"
        "class Clip:\n    pass\n"
        "sys.stdout.buffer.write(pickle.dumps(Clip()))\n"
    )
    made = subprocess.run([COMMAND[0], "-c", script], capture_output=True, check=True)
    refused = upload_model(callers.editor, unique("clip"), made.stdout)
    assert (refused.status_code, slug(refused)) == (422, "model-refused")
    assert "__main__" in refused.json()["detail"]
    assert "Clip" in refused.json()["detail"]


def test_d5_a_compressed_joblib_file_loads_and_a_stub_is_named(
    callers: Callers,
) -> None:
    good = upload_model(callers.editor, unique("z"), dump(MODELS["labels"]()))
    assert good.status_code == 201
    stub = upload_model(callers.editor, unique("s"), b"\x08\x07\x12\x04onnx\x00\x00")
    assert stub.status_code in (415, 422)


def test_d6_a_hostile_pickle_is_refused_and_not_executed(callers: Callers) -> None:
    refused = upload_model(callers.editor, unique("evil"), pickle.dumps(Runs()))
    assert (refused.status_code, slug(refused)) == (422, "model-refused")
    assert not list(callers.server.data_dir.parent.rglob("pwned.txt"))


def test_d7_the_version_that_saved_a_model_is_shown(callers: Callers) -> None:
    model = MODELS["labels"]()
    content = pickle.dumps(model).replace(b"1.9.1", b"1.4.2")
    made = upload_model(callers.editor, unique("old"), content)
    assert made.status_code == 201, made.text
    assert made.json()["libraries"]["scikit-learn"]["saved"] == "1.4.2"


def test_d8_the_secret_is_made_at_the_first_start_and_short_ones_are_refused(
    tmp_path: Path,
) -> None:
    with (server := Server(tmp_path / "data").start()).running():
        secret = server.data_dir / "secret.key"
        assert secret.stat().st_mode & 0o777 == 0o600
    short = Server(tmp_path / "b", secret_key="short").run("serve", check=False)
    assert short.returncode == 2
    assert short.stderr.startswith("FORETELL_SECRET_KEY")


def test_d10_an_older_schema_is_upgraded_or_refused_with_one_line(
    tmp_path: Path,
) -> None:
    local = Server(tmp_path / "data")
    refused = local.run("serve", "--port", "0", "--no-migrate", check=False)
    assert refused.returncode == 1
    assert "foretell db upgrade" in refused.stderr
    with local.start().running():
        assert httpx2.get(f"{local.url}/readyz").json()["status"] == "ok"


@pytest.fixture
def on_postgresql(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A server on a database of PostgreSQL, and the name of that database."""
    with throw_away("postgresql") as url:
        server = Server(tmp_path / "data", database_url=url).start()
        with server.running():
            yield server, url.rpartition("/")[2]


def cut_connections(name: str, *, allow: bool) -> None:
    server = SERVERS["postgresql"]
    administer(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(allow).lower()}")
    administer(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608 - our name
        f"WHERE datname='{name}'",
    )


@pytest.mark.slow
def test_d9_without_the_database_readiness_and_requests_say_so(
    on_postgresql: tuple[Server, str],
) -> None:
    server, name = on_postgresql
    cut_connections(name, allow=False)
    with server.client() as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["parts"]["database"]["ok"] is False
        refused = sign_in(client, "admin@example.org", PASSWORD)
        assert refused.status_code == 503
        assert client.get("/healthz").status_code == 200


@pytest.mark.slow
def test_d11_cut_connections_make_no_500(on_postgresql: tuple[Server, str]) -> None:
    server, name = on_postgresql
    with (
        server.client(server.make_admin()) as admin,
        concurrent.futures.ThreadPoolExecutor(6) as pool,
    ):

        def burst() -> list[int]:
            made = [
                pool.submit(admin.post, "/api/users", json=new_user()) for _ in range(6)
            ]
            return [answer.result().status_code for answer in made]

        assert burst() == [201] * 6
        cut_connections(name, allow=True)
        assert burst() == [201] * 6


def test_d13_no_deprecated_call_is_made_at_start(tmp_path: Path) -> None:
    local = Server(tmp_path / "data")
    done = subprocess.run(
        [
            COMMAND[0],
            "-W",
            "error::DeprecationWarning:foretell",
            *COMMAND[1:],
            "db",
            "upgrade",
        ],
        env=local.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# --- Db: users and tokens -------------------------------------------------------


def test_d15_an_email_is_taken_once(callers: Callers) -> None:
    user = new_user()
    assert callers.admin.post("/api/users", json=user).status_code == 201
    again = callers.admin.post("/api/users", json=user)
    assert (again.status_code, slug(again)) == (409, "email-taken")


def test_d16_d17_eight_at_once_make_one_account(callers: Callers) -> None:
    user = new_user()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda _: callers.admin.post("/api/users", json=user).status_code, range(8)
        )
    assert sorted(answers) == [201] + [409] * 7
    assert sign_in(callers.nobody, user["email"], PASSWORD).status_code == 200


def test_d18_case_of_an_email_does_not_count(callers: Callers) -> None:
    user = new_user()
    callers.admin.post("/api/users", json=user)
    loud = callers.admin.post(
        "/api/users", json=user | {"email": user["email"].upper()}
    )
    assert loud.status_code == 409
    assert sign_in(callers.nobody, user["email"].upper(), PASSWORD).status_code == 200


@pytest.mark.parametrize("password", ["p" * 73 + "x1", "我爱企鹅的家乡在南极洲" * 3])
def test_d19_long_passwords_work(callers: Callers, password: str) -> None:
    user = new_user(password=password)
    assert callers.admin.post("/api/users", json=user).status_code == 201
    assert sign_in(callers.nobody, user["email"], password).status_code == 200
    assert sign_in(callers.nobody, user["email"], password[:-1]).status_code == 400


def test_d20_a_long_wrong_password_is_just_wrong(callers: Callers) -> None:
    refused = sign_in(callers.nobody, "nobody@example.org", "x" * 73)
    assert refused.status_code == 400
    assert refused.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "change",
    [
        {"password": ""},
        {"name": ""},
        {"name": "a\x00b"},
        {"name": "x" * 100_000},
        {"is_admin": True},
        {"email": "no address"},
    ],
    ids=["d21-password", "d21-name", "d22-nul", "d24-long", "d25-unknown", "email"],
)
def test_d21_d22_d24_d25_wrong_accounts_are_refused(
    callers: Callers, change: dict[str, Any]
) -> None:
    refused = callers.admin.post("/api/users", json=new_user(**change))
    assert refused.status_code == 422
    assert refused.json()["errors"]


def test_d22_a_lone_surrogate_is_refused(callers: Callers) -> None:
    body = json.dumps(new_user()).replace('"A"', '"\\ud800"').encode()
    headers = {"Content-Type": "application/json"}
    refused = callers.admin.post("/api/users", content=body, headers=headers)
    assert refused.status_code == 422


def test_d23_a_password_is_never_echoed(callers: Callers) -> None:
    body = {"email": "a@example.org", "password": "TopSecret1"}
    refused = callers.admin.post("/api/users", json=body)
    assert refused.status_code == 422
    assert "TopSecret1" not in refused.text
    assert "TopSecret1" not in callers.server.log.read_text("utf-8")


def test_d24_a_body_of_5_mb_is_refused(callers: Callers) -> None:
    refused = callers.admin.post("/api/users", json=new_user(name="x" * 5_000_000))
    assert (refused.status_code, slug(refused)) == (413, "too-large")


def test_d26_accounts_are_scoped_and_have_pages(callers: Callers) -> None:
    assert callers.nobody.post("/api/users", json=new_user()).status_code == 401
    assert callers.viewer.get("/api/users").status_code == 403
    first = callers.admin.get("/api/users", params={"limit": 2}).json()
    second = callers.admin.get("/api/users", params={"cursor": first["next"]}).json()
    ids = [user["id"] for user in [*first["items"], *second["items"]]]
    assert len(ids) == len(set(ids)) > 2
    user = callers.admin.post("/api/users", json=new_user()).json()
    path = f"/api/users/{user['id']}"
    assert callers.admin.patch(path, json={"name": "B"}).json()["name"] == "B"
    assert callers.admin.delete(path).status_code == 204
    assert callers.admin.get(path).status_code == 404


def test_d27_guessing_is_slowed_down(tmp_path: Path) -> None:
    with (server := Server(tmp_path / "data").start()).running():
        server.make_admin()
        with server.client() as client:
            answers = [
                sign_in(client, "admin@example.org", f"wrong password {n}").status_code
                for n in range(12)
            ]
    assert answers[0] == 400
    assert answers[-1] == 429


def test_d29_d32_a_sign_in_gives_the_user(callers: Callers) -> None:
    user = new_user()
    made = callers.admin.post("/api/users", json=user).json()
    token = sign_in(callers.nobody, user["email"], PASSWORD).json()["access_token"]
    with callers.server.client(token) as client:
        me = client.get("/api/me").json()
    assert (me["id"], me["email"]) == (made["id"], user["email"])


def test_d30_tokens_end_with_their_account(callers: Callers) -> None:
    user = new_user()
    made = callers.admin.post("/api/users", json=user).json()
    token = sign_in(callers.nobody, user["email"], PASSWORD).json()["access_token"]
    forged = jwt.encode({"sub": made["id"]}, "x" * 32, algorithm="HS256")
    with callers.server.client(forged) as client:
        assert client.get("/api/me").status_code == 401
    with callers.server.client(token) as client:
        assert client.get("/api/me").status_code == 200
        callers.admin.delete(f"/api/users/{made['id']}")
        deadline = time.monotonic() + 3
        while client.get("/api/me").status_code != 401:
            assert time.monotonic() < deadline


def test_d31_a_bad_token_is_challenged(callers: Callers) -> None:
    with callers.server.client("ftl_bad") as client:
        refused = client.get("/api/me")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_d33_refresh_revocation_scopes_keys_and_audience_are_there(
    callers: Callers,
) -> None:
    user = new_user()
    callers.admin.post("/api/users", json=user)
    first = sign_in(callers.nobody, user["email"], PASSWORD).json()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = callers.nobody.post("/token", data=form).json()
    assert second["refresh_token"] != first["refresh_token"]
    claims = jwt.decode(second["access_token"], options={"verify_signature": False})
    assert {"exp", "iat", "jti", "aud", "iss", "sub"} <= set(claims)
    revoked = callers.nobody.post(
        "/token/revoke", data={"token": second["refresh_token"]}
    )
    assert revoked.status_code == 200
    form["refresh_token"] = second["refresh_token"]
    assert callers.nobody.post("/token", data=form).status_code == 400


def test_d34_every_route_but_the_public_ones_is_protected(callers: Callers) -> None:
    document = callers.admin.get("/openapi.json").json()
    public = {
        f"{method} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not operation.get("security")
    }
    assert public <= {
        "get /healthz",
        "get /readyz",
        "get /metrics",
        "get /api/version",
        "get /.well-known/jwks.json",
        "post /token",
        "post /token/revoke",
        "post /api/session",
        "get /api/setup",
        "post /api/setup",
        "post /api/password/forgot",
        "post /api/password/reset",
    }


def test_d35_our_tokens_are_checked_by_the_published_keys(callers: Callers) -> None:
    user = new_user()
    callers.admin.post("/api/users", json=user)
    token = sign_in(callers.nobody, user["email"], PASSWORD).json()["access_token"]
    keys = jwt.PyJWKSet.from_dict(callers.nobody.get("/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "ES256"
    claims = jwt.decode(
        token,
        keys[header["kid"]].key,
        algorithms=["ES256"],
        options={"verify_aud": False},
    )
    assert claims["exp"] > dt.datetime.now(dt.UTC).timestamp()


# --- Dc: CSV upload -------------------------------------------------------------


def profile_of(callers: Callers, name: str) -> dict[str, dict[str, Any]]:
    answer = callers.editor.get(f"/api/datasets/{name}/profile")
    assert answer.status_code == 200, answer.text
    return {column["name"]: column for column in answer.json()["columns"]}


def test_d36_one_row_has_no_spread(callers: Callers, imported: Any) -> None:
    found = imported("id,x\n1,2.5\n")
    assert profile_of(callers, found["name"])["x"]["std"] is None


def test_d37_a_header_alone_is_a_table_without_rows(imported: Any) -> None:
    assert imported("id,name,email\n")["rows"] == 0


def test_d38_an_empty_file_is_named_empty(callers: Callers) -> None:
    refused = upload(callers.editor, unique("d"), b"")
    assert (refused.status_code, slug(refused)) == (422, "empty")


def test_d39_empty_and_infinite_columns_have_a_profile(
    callers: Callers, imported: Any
) -> None:
    found = imported("a,b\n,1.5\n,inf\n")
    assert found["rows"] == 2
    assert set(profile_of(callers, found["name"])) == {"a", "b"}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "gb18030", "utf-8-sig"])
def test_d40_encodings_are_found(imported: Any, encoding: str) -> None:
    text = {
        "latin-1": "id,name\n1,Zoë Müller de la Fuenté\n2,Ångström Élodie\n",
        "gb18030": "id,name\n1,阿德利企鹅住在南极\n2,帽带企鹅也住在南极\n",
    }.get(encoding, "id,name\n1,Zoë\n2,企鹅\n")
    found = imported(text.encode(encoding))
    lines = text.splitlines()[1:]
    assert [r["name"] for r in found["rows_items"]] == [x.split(",")[1] for x in lines]
    assert found["source"]["encoding"]


def test_d41_a_picture_is_refused(callers: Callers) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    refused = upload(callers.editor, unique("d"), picture, filename="a.csv")
    assert refused.status_code in (415, 422)


def test_d42_gzip_is_unpacked(imported: Any) -> None:
    found = imported(gzip.compress(b"a,b\n1,2\n"), filename="t.csv.gz")
    assert found["rows_items"] == [{"a": 1, "b": 2}]


def test_d43_semicolons_and_spaced_headers_are_read(imported: Any) -> None:
    found = imported("ID; Name; Email\n1; A; a@x.org\n")
    assert list(found["types"]) == ["ID", "Name", "Email"]
    assert found["source"]["delimiter"] == ";"


def test_d44_wrong_columns_are_named_with_those_found(
    callers: Callers, imported: Any
) -> None:
    found = imported("a,b\n1,2\n")
    path = f"/api/datasets/{found['name']}"
    refused = upload(
        callers.editor, "", "a,c\n1,2\n", path=f"{path}/versions", mode="append"
    )
    assert (refused.status_code, slug(refused)) == (422, "append-mismatch")
    named = {e["pointer"]: e["code"] for e in refused.json()["errors"]}
    assert named == {"/columns/b": "missing", "/columns/c": "extra"}
    refused = callers.editor.get(f"{path}/rows", params={"select": "email"})
    assert refused.status_code == 422
    assert "a" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [("2,y,z", "too_many_cells"), ('2,"y', "unclosed_quote")],
    ids=["cell", "quote"],
)
def test_d45_a_broken_row_is_kept_aside_with_its_line(
    imported: Any, bad: str, code: str
) -> None:
    found = imported(f"a,b\n1,x\n{bad}\n3,w\n4,v\n")
    assert found["rows"] == 3
    assert [(r["line"], r["code"]) for r in found["rejects_items"]] == [(3, code)]


def test_d46_rows_wider_than_the_header_never_shift(callers: Callers) -> None:
    text = "id,name,email\n1,A,a@x.org,paris\n2,B,b@x.org,rome\n"
    refused = upload(callers.editor, unique("d"), text)
    assert (refused.status_code, slug(refused)) == (422, "header-width")


def test_d47_rows_that_end_in_a_comma_are_aligned(imported: Any) -> None:
    found = imported("id,name\n1,A,\n2,B,\n")
    assert [r["name"] for r in found["rows_items"]] == ["A", "B"]


def test_d48_blank_and_numeric_columns_are_no_error(imported: Any) -> None:
    assert imported("id,email\n1,\n2,\n")["rows"] == 2
    assert imported("id,email\n1,5\n2,6\n")["rows"] == 2


def test_d50_the_name_na_is_a_name(imported: Any) -> None:
    found = imported("id,name,email\n1,NA,null\n2,Bo,b@x.org\n")
    assert found["rows_items"][0] == {"id": 1, "name": "NA", "email": "null"}


def test_d51_leading_zeros_and_long_integers_are_kept(imported: Any) -> None:
    found = imported("code,big\n007,9007199254740993\n010,9007199254740995\n")
    assert found["rows_items"][0] == {"code": "007", "big": 9007199254740993}


def test_d52_a_profile_has_one_shape(callers: Callers, imported: Any) -> None:
    found = imported("id,n\nabc,1234567890123456789012345\ndef,1\n")
    shapes = {
        frozenset(set(column) - {"top", "histogram", "quantiles"})
        for column in profile_of(callers, found["name"]).values()
    }
    assert len(shapes) == 1
    assert str(found["rows_items"][0]["n"]) == "1234567890123456789012345"


def test_d53_rows_and_rejects_are_all_records(imported: Any) -> None:
    found = imported("a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert (found["rows"], found["rejects"]) == (2, 2)


def test_d54_data_stays_and_can_be_asked(callers: Callers, imported: Any) -> None:
    found = imported("a\n1\n2\n3\n")
    query: dict[str, Any] = {"where": "a > 1", "sort": "-a", "limit": 1}
    path = f"/api/datasets/{found['name']}/rows"
    first = callers.editor.get(path, params=query).json()
    rest = callers.editor.get(path, params={"cursor": first["next"]}).json()
    assert [first["items"], rest["items"]] == [[{"a": 3}], [{"a": 2}]]


def test_d56_strangers_upload_nothing(callers: Callers) -> None:
    assert upload(callers.nobody, unique("d"), "a\n1\n").status_code == 401
    assert upload(callers.viewer, unique("d"), "a\n1\n").status_code == 403


# --- Dd: background work --------------------------------------------------------


def submit(client: httpx2.Client, task: str, **rest: Any) -> httpx2.Response:
    headers = rest.pop("headers", {})
    body = {"task": task, "args": rest.pop("args", {}), **rest}
    return client.post("/api/jobs", json=body, headers=headers)


def test_d58_d62_d66_a_job_has_an_id_and_a_state(callers: Callers) -> None:
    job = submit(callers.editor, "system.echo", args={"value": 1})
    assert job.status_code == 202
    assert job.headers["location"] == f"/api/jobs/{job.json()['id']}"
    assert callers.editor.get(job.headers["location"]).json()["state"]


@pytest.mark.slow
def test_d60_d61_queued_jobs_survive_the_server(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start("--no-worker")
    key = server.make_admin()
    with server.client(key) as client:
        ids = [
            submit(client, "system.echo", args={"value": n}).json()["id"]
            for n in range(3)
        ]
    server.stop(signal.SIGKILL)
    with server.start().running(), server.client(key) as client:
        for job_id in ids:
            with client.stream("GET", f"/api/jobs/{job_id}/events") as events:
                assert "succeeded" in events.read().decode()


@pytest.mark.parametrize(
    ("task", "args"),
    [
        ("no.such-task", {}),
        ("system.sleep", {"seconds": "long"}),
        ("system.sleep", {"seconds": 1, "also": 2}),
        ("predictions.batch", {"model": "none", "dataset": "none", "output": "x"}),
    ],
)
def test_d63_what_cannot_be_done_is_refused_before_it_is_queued(
    callers: Callers, task: str, args: dict[str, Any]
) -> None:
    refused = submit(callers.editor, task, args=args)
    assert refused.status_code in (404, 422)


def test_d64_the_same_request_twice_is_one_job(callers: Callers) -> None:
    headers = {"Idempotency-Key": unique("key")}
    ids = {
        submit(
            callers.editor, "system.echo", args={"value": 1}, headers=headers
        ).json()["id"]
        for _ in range(2)
    }
    assert len(ids) == 1


def test_d65_a_failed_job_shows_why(callers: Callers, models: Any) -> None:
    models("value", {"rows": [ROW]})
    job = callers.editor.post(
        "/api/datasets?name=" + unique("d"), content=b"", headers={"Prefer": "wait=30"}
    )
    assert job.status_code == 422
    failed = callers.editor.get("/api/jobs", params={"state": "failed"}).json()["items"]
    assert all(item["error"]["detail"] for item in failed)


def test_d67_strangers_queue_nothing(callers: Callers) -> None:
    assert submit(callers.nobody, "system.echo").status_code == 401
    assert submit(callers.viewer, "system.echo").status_code == 403
    mail = {"to": "a@example.org", "subject": "x", "text": "y"}
    assert submit(callers.editor, "mail.send", args=mail).status_code == 403


def test_d68_a_job_can_be_cancelled(callers: Callers) -> None:
    job = submit(
        callers.editor, "system.sleep", args={"seconds": 600}, priority=5
    ).json()
    callers.editor.post(f"/api/jobs/{job['id']}/cancel")
    with callers.editor.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        assert '"cancelled"' in events.read().decode()


# --- De: prediction -------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 3, 29, 100_000])
def test_d69_a_wrong_number_of_features_is_named(models: Any, count: int) -> None:
    refused = models("numbers", {"features": [1.0] * count})
    assert refused.status_code == 422
    assert "4" in refused.text
    assert len(refused.content) < 64 * 1024


@pytest.mark.parametrize("number", ["NaN", "1e400", "Infinity"])
def test_d70_what_is_no_number_is_refused(
    callers: Callers, models: Any, number: str
) -> None:
    path = models("numbers", {"rows": [ROW]}).request.url.path
    body = f'{{"features": [1, 2, 3, {number}]}}'
    headers = {"Content-Type": "application/json"}
    refused = callers.editor.post(path, content=body, headers=headers)
    assert refused.status_code == 422


def test_d71_a_regression_answers_its_value(models: Any) -> None:
    found = one(models("value", {"rows": [ROW]}))
    assert found["prediction"] == pytest.approx(ROW["petal_width"] * 1.5, abs=1e-4)


def test_d72_a_model_without_probabilities_answers(models: Any) -> None:
    assert one(models("svc", {"rows": [ROW]}))["prediction"] == "setosa"


def test_d73_d74_d75_probabilities_are_by_class(models: Any) -> None:
    row = {k: float(v) for k, v in INPUTS.iloc[149].items()}
    found = one(models("labels", {"rows": [row]}))
    expected = MODELS["labels"]().predict_proba(INPUTS.iloc[[149]])[0]
    assert found["prediction"] == "virginica"
    assert list(found["probabilities"]) == ["setosa", "versicolor", "virginica"]
    assert list(found["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
    binary = one(models("binary", {"rows": [ROW]}))
    assert binary["prediction"] == 0
    assert binary["probabilities"]["0"] > 0.5


def test_d76_features_go_by_name_not_by_order(models: Any) -> None:
    reverse = dict(reversed(ROW.items()))
    assert one(models("labels", {"rows": [reverse]})) == one(
        models("labels", {"rows": [ROW]})
    )


def test_d77_two_rows_are_two_answers(models: Any) -> None:
    answer = models("labels", {"rows": [ROW, ROW]}).json()
    assert len(answer["predictions"]) == 2


@pytest.mark.parametrize("value", ["13.0", True, None, [1], {}])
def test_d78_what_is_no_number_is_no_number(models: Any, value: Any) -> None:
    refused = models("labels", {"rows": [ROW | {"petal_width": value}]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/rows/0/petal_width"


def test_d79_many_wrong_values_are_refused_in_little_text(models: Any) -> None:
    rows = [dict.fromkeys(ROW, "x")] * 25_000
    refused = models("labels", {"rows": rows})
    assert refused.status_code == 422
    assert len(refused.content) < 64 * 1024


def test_d80_the_next_answer_is_of_the_new_version(callers: Callers) -> None:
    name = unique("swap")
    for number in (1, 2):
        made = upload_model(callers.editor, name, dump(MODELS["labels"]()))
        assert made.json()["version"] == number
        answer = callers.editor.post(
            f"/api/models/{name}/predict", json={"rows": [ROW]}
        )
        assert answer.json()["version"] == number


def test_d81_strangers_ask_nothing(callers: Callers, models: Any) -> None:
    path = models("labels", {"rows": [ROW]}).request.url.path
    body = {"rows": [ROW]}
    assert callers.nobody.post(path, json=body).status_code == 401
    assert callers.other.post(path, json=body).status_code == 404


def test_d82_the_document_names_the_features(callers: Callers, models: Any) -> None:
    models("labels", {"rows": [ROW]})
    text = callers.editor.get("/openapi.json").text
    assert "petal_width" in text
    assert "petal_width" not in callers.nobody.get("/openapi.json").text


# --- Df: general ----------------------------------------------------------------


def test_d83_every_refusal_is_a_problem_with_a_request_id(callers: Callers) -> None:
    for method, path in (("GET", "/nothing"), ("PUT", "/healthz"), ("GET", "/api/me")):
        refused = callers.nobody.request(method, path)
        assert slug(refused)
        assert refused.json()["request_id"] == refused.headers["x-request-id"]


def test_d84_a_front_end_is_let_in_by_setting(tmp_path: Path) -> None:
    origin = "https://front.example"
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    others = headers | {"Origin": "https://evil.example"}
    server = Server(tmp_path / "data", cors_origins=origin).start()
    with server.running(), server.client() as client:
        answer = client.options("/api/predict", headers=headers)
        refused = client.options("/api/predict", headers=others)
    assert answer.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in refused.headers


def test_d85_the_documents_load_nothing_from_elsewhere(callers: Callers) -> None:
    page = callers.nobody.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    assert "//cdn" not in page.text


def test_d86_metrics_audit_and_logs_are_there(callers: Callers) -> None:
    assert "foretell_" in callers.nobody.get("/metrics").text
    assert callers.admin.get("/api/audit").json()["items"]
    request_id = callers.admin.get("/api/version").headers["x-request-id"]
    deadline = time.monotonic() + 5  # lines of the log are written by a thread
    while request_id not in callers.server.log.read_text("utf-8"):
        assert time.monotonic() < deadline


def test_d87_malformed_json_is_a_clear_4xx(callers: Callers) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"[" * 90_000, b"\xff"):
        refused = callers.admin.post("/api/users", content=body, headers=headers)
        assert refused.status_code in (400, 422)
        assert slug(refused)
