"""Bad input on every route: a clear refusal that names the field, nothing stored.

Bodies are made from the OpenAPI document: each field of each body in turn gets
values that its schema does not allow. What a schema cannot say stands in tables.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from tests.acceptance.conftest import LARGEST_UPLOAD, upload_model
from tests.acceptance.operations import ENDLESS, Operation, call, operations
from tests.models.application import dump
from tests.served import PASSWORD, Server, upload

Client = httpx2.Client
Answer = httpx2.Response
JSON = {"Content-Type": "application/json"}
TOO_LARGE = 1024 * 1024 + 1
DATASET, MODEL = "bad-input", "bad-input"

# Bodies that the routes take; one field at a time is made wrong.
GOOD: dict[str, dict[str, Any]] = {
    "post /api/password/forgot": {"email": "nobody@example.org"},
    "post /api/password/reset": {"token": "x", "password": PASSWORD},
    "post /api/setup": {
        "code": "x",
        "email": "nobody@example.org",
        "password": PASSWORD,
        "name": "N",
    },
    "post /api/session": {"email": "nobody@example.org", "password": PASSWORD},
    "post /api/email/confirm": {"token": "x"},
    "post /api/users/me/email": {
        "email": "nobody@example.org",
        "current_password": "x",
    },
    "post /api/users/me/password": {
        "current_password": "x",
        "new_password": PASSWORD,
    },
    "post /api/users": {
        "email": "new@example.org",
        "password": PASSWORD,
        "name": "New",
        "role": "viewer",
    },
    "patch /api/users/me": {"name": "Changed"},
    "patch /api/users/{user_id}": {"name": "N", "role": "viewer", "disabled": False},
    "post /api/keys": {"name": "k", "scopes": ["jobs:read"], "expires_at": None},
    "post /api/jobs": {"task": "system.echo", "args": {"value": 1}},
    "patch /api/datasets/{name}": {"description": "changed"},
    "put /api/datasets/{name}/current": {"version": 1},
    "put /api/models/{model}": {"description": "changed"},
    "patch /api/models/{model}": {"description": "changed"},
    "put /api/models/{model}/aliases/{alias}": {"version": 1},
    "put /api/models/{model}/traffic": {
        "routes": [{"version": 1, "weight": 1}],
        "shadow": [1],
    },
    "put /api/schedules/{name}": {
        "task": "system.echo",
        "args": {"value": 1},
        "every_s": 3600,
    },
    "put /api/queues/{name}": {"paused": False},
    "put /api/recipes/{recipe}": {
        "steps": [{"step": "sort", "by": ["x0"]}],
        "checks": [{"check": "not_null", "column": "x0"}],
        "description": "d",
    },
    "patch /api/recipes/{recipe}": {"description": "changed"},
    "post /api/datasets/{name}/runs": {"recipe": DATASET, "output": "run-out"},
    "put /api/feature-sets/{feature_set}": {
        "features": [{"name": "a", "expression": "x0 + 1"}],
        "inputs": [{"name": "x0", "type": "float"}],
        "description": "d",
    },
    "patch /api/feature-sets/{feature_set}": {"description": "changed"},
    "post /api/feature-sets/{feature_set}/compute": {"rows": [{"x0": 1.5}]},
    "put /api/connections/{name}": {"kind": "sqlite", "path": "x.db"},
    "patch /api/connections/{name}": {"visibility": "private"},
    "post /api/datasets": {
        "name": "from-source",
        "source": {"connection": "none", "table": "t"},
    },
    "post /api/datasets/{name}/versions": {
        "source": {"connection": "none", "table": "t"}
    },
    "post /api/datasets/{name}/export": {"connection": "none", "table": "t"},
    "post /api/models/{model}/predict": {"features": [1.0]},
    "post /api/predict": {"model": MODEL, "features": [1.0]},
    "post /api/query": {"sql": "SELECT 1", "limit": 1, "timeout_s": 5.0},
    "post /api/models/{model}/batch": {"dataset": DATASET, "output": "out"},
}
# What a password or code may hold is any text; that it is wrong shows later, and
# whether there is such an e-mail must not show at all.
ANY_TEXT = frozenset({"password", "current_password", "new_password", "token", "code"})
SILENT = ("/api/session", "/api/password/forgot", "/api/setup")
NOT_OBJECTS = [b"", b"{", b"nul", b"[]", b'"x"', b"1", b"\x00", b"{}x", b"{'a': 1}"]
UNREADABLE = [b"\xff\xfe", b"[" * 90_000, b'{"a":' * 90_000]
# Values as JSON text, with the JSON type that a schema must have to take them.
VALUES: list[tuple[str, str]] = [
    ('{"a": 1}', "object"),
    ("[[1]]", "array"),
    ("[null]", "array"),
    ("true", "boolean"),
    ("1.5", "number"),
    ("1e400", "number"),
    ("-" + "9" * 400, "integer"),
    ("NaN", "number"),
    (r'"a\u0000b"', "string"),
    (r'"\ud800"', "string"),
    ('"' + "x" * 200_000 + '"', "string"),
]


@pytest.fixture(scope="module")
def admin(open_server: Server, open_admin: Client) -> Iterator[Client]:
    """An admin who comes from another address with each request."""

    def move(request: httpx2.Request) -> None:
        address = "10." + ".".join(str(byte) for byte in os.urandom(3))
        request.headers["X-Forwarded-For"] = address

    key = open_admin.headers["authorization"].removeprefix("Bearer ")
    with open_server.client(key) as client:
        client.event_hooks["request"].append(move)
        yield client


@pytest.fixture(scope="module")
def objects(admin: Client) -> dict[str, str]:
    """What the paths name."""
    assert upload(admin, DATASET, "x0\n1.5\n").status_code == 201
    content = dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
    assert upload_model(admin, MODEL, content).status_code == 201
    recipe = {"checks": [{"check": "not_null", "column": "x0"}]}
    assert admin.put(f"/api/recipes/{DATASET}", json=recipe).status_code == 201
    features = {"features": [{"name": "a", "expression": "x0 + 1"}]}
    path = f"/api/feature-sets/{DATASET}"
    assert admin.put(path, json=features).status_code == 201
    job = {"task": "system.echo", "run_at": "2999-01-01T00:00:00Z"}
    user = {"email": "victim@example.org", "password": PASSWORD, "name": "V"}
    return {
        "name": DATASET,
        "recipe": DATASET,
        "feature_set": DATASET,
        "model": MODEL,
        "version": "1",
        "alias": "best",
        "job_id": admin.post("/api/jobs", json=job).json()["id"],
        "user_id": admin.post("/api/users", json=user).json()["id"],
        "key_id": admin.get("/api/keys").json()["items"][0]["id"],
        "session_id": "none",
    }


@pytest.fixture(scope="module")
def every(open_server: Server) -> list[Operation]:
    # The static document: a caller's own has their models in it.
    with open_server.client() as client:
        return operations(client)


KINDS = ("datasets", "models", "jobs", "keys", "recipes", "feature-sets")


@pytest.fixture
def stored(admin: Client, objects: dict[str, str]) -> Iterator[None]:
    """Fails the test if anything is there after it that was not before, or differs."""

    def look() -> dict[str, Any]:
        paths = [f"/api/{k}?limit=1000" for k in KINDS]
        paths += ["/api/users?limit=1000", f"/api/models/{MODEL}/aliases"]
        paths += [f"/api/models/{MODEL}/versions", f"/api/datasets/{DATASET}/versions"]
        found = {path: admin.get(path).json()["items"] for path in paths}
        for key in found["/api/keys?limit=1000"]:
            del key["last_used_at"]
        return found

    before = look()
    yield
    assert look() == before


def fault_of(answer: Answer, pointer: str | None = None) -> str:
    """What is wrong with a refusal; nothing where it is clear."""
    said = f"{answer.status_code} {answer.text[:300]}"
    if not 400 <= answer.status_code < 500:
        return said
    if answer.url.path.startswith("/v2"):  # the protocol has its own shape
        return "" if answer.json().keys() == {"error"} else said
    if answer.headers["content-type"] != "application/problem+json":
        return said
    document = answer.json()
    if document["request_id"] != answer.headers["x-request-id"]:
        return said
    if not document["detail"] or len(answer.content) > 64 * 1024:
        return said
    if pointer is not None and answer.status_code != 413:
        pointers = [e["pointer"] for e in document.get("errors", ())]
        if not any(p == pointer or p.startswith(pointer + "/") for p in pointers):
            return f"{pointer}: {said}"
    return ""


def with_json(every: list[Operation]) -> list[Operation]:
    # What /v2 says of tensors is tested in tests/predictions.
    found = [o for o in every if o.takes_json and not o.path.startswith("/v2")]
    assert {o.name for o in found} == set(GOOD)
    return found


def body_schema(document: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    content = operation.document["requestBody"]["content"]["application/json"]
    schema = resolved(document, content["schema"])
    for option in schema.get("anyOf", ()):
        if "$ref" in option:
            schema = resolved(document, option)
    return schema


def resolved(document: Mapping[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = document["components"]["schemas"][
            schema["$ref"].rpartition("/")[2]
        ]
        return found
    return schema


def types_of(document: Mapping[str, Any], schema: dict[str, Any]) -> set[str]:
    """JSON types that a schema takes; empty where it takes anything."""
    schema = resolved(document, schema)
    if "anyOf" in schema:
        return set().union(*(types_of(document, s) for s in schema["anyOf"]))
    if "type" not in schema:
        return set()
    kinds = {schema["type"]}
    return kinds | {"integer"} if "number" in kinds else kinds


def test_what_is_no_object_is_refused(
    admin: Client, every: list[Operation], objects: dict[str, str], stored: None
) -> None:
    faults = []
    for operation in with_json(every):
        for content in (*NOT_OBJECTS, *UNREADABLE):
            if content == b"" and operation.name == "put /api/models/{model}":
                continue  # its body may be left out
            answer = call(admin, operation, objects, content=content, headers=JSON)
            if fault := fault_of(answer):
                faults.append((operation.name, content[:20], fault))
    assert faults == []


def test_other_content_types_and_large_bodies_are_refused(
    admin: Client, every: list[Operation], objects: dict[str, str], stored: None
) -> None:
    faults = []
    for operation in with_json(every):
        good = json.dumps(GOOD[operation.name])
        kinds = ("text/plain", "application/x-www-form-urlencoded", "image/png")
        # Where files are taken too, any other body is one.
        for kind in () if operation.takes_files else kinds:
            headers = {"Content-Type": kind}
            answer = call(admin, operation, objects, content=good, headers=headers)
            if fault := fault_of(answer):
                faults.append((operation.name, kind, fault))
        if operation.path.endswith(("predict", "compute")):
            continue  # takes 32 MiB; tests/predictions sends one byte more
        large = good.replace("{", "{" + " " * TOO_LARGE, 1)
        answer = call(admin, operation, objects, content=large, headers=JSON)
        if answer.status_code != 413 or fault_of(answer):
            faults.append((operation.name, "large", answer.text[:200]))
    assert faults == []


def test_unknown_fields_are_named(
    admin: Client, every: list[Operation], objects: dict[str, str], stored: None
) -> None:
    faults = []
    for operation in with_json(every):
        for name in ("surprise", "__proto__", "a/b", "is_admin", "owner_id"):
            body = {**GOOD[operation.name], name: 1}
            answer = call(admin, operation, objects, json=body)
            pointer = "/" + name.replace("/", "~1")
            if fault := fault_of(answer, pointer):
                faults.append((operation.name, name, fault))
    assert faults == []


def test_missing_fields_are_named(
    admin: Client, every: list[Operation], objects: dict[str, str], stored: None
) -> None:
    document = admin.get("/openapi.json").json()
    faults = []
    for operation in with_json(every):
        for name in body_schema(document, operation).get("required", ()):
            body = {k: v for k, v in GOOD[operation.name].items() if k != name}
            if fault := fault_of(
                call(admin, operation, objects, json=body), f"/{name}"
            ):
                faults.append((operation.name, name, fault))
    assert faults == []


def wrong_bodies(
    document: Mapping[str, Any], operation: Operation
) -> Iterator[tuple[str, bytes]]:
    """Each field in turn with each value that it does not take."""
    good = GOOD[operation.name]
    for field, schema in body_schema(document, operation)["properties"].items():
        kinds = types_of(document, schema)
        for text, kind in VALUES:
            takes = not kinds or kind in kinds
            if takes and not (kind == "string" and "string" in kinds):
                continue
            if kind == "string" and (field in ANY_TEXT or operation.path in SILENT):
                continue
            marker = "@@"
            body = json.dumps({**good, field: marker}).replace(f'"{marker}"', text)
            yield field, body.encode()


def test_wrong_values_are_named_with_their_field(
    admin: Client, every: list[Operation], objects: dict[str, str], stored: None
) -> None:
    document, faults, tried = admin.get("/openapi.json").json(), [], 0
    for operation in with_json(every):
        for field, body in wrong_bodies(document, operation):
            answer = call(admin, operation, objects, content=body, headers=JSON)
            tried += 1
            # A prediction takes one form of three, and a wrong name is not there.
            named = None if operation.path.endswith("predict") else f"/{field}"
            if fault := fault_of(answer, named):
                faults.append((operation.name, body[:90], fault))
    assert tried > 300
    assert faults == []


SPECIAL: list[tuple[str, Any, str]] = [
    ("post /api/users", {"email": "x"}, "/email"),
    ("post /api/users", {"email": "a@b@c.org"}, "/email"),
    ("post /api/users", {"email": "a\u0000@c.org"}, "/email"),
    ("post /api/users", {"password": "short"}, "/password"),
    ("post /api/users", {"password": "password123"}, "/password"),
    ("post /api/users", {"password": "x" * 1025}, "/password"),
    ("post /api/users", {"role": "root"}, "/role"),
    ("post /api/keys", {"scopes": []}, "/scopes"),
    ("post /api/keys", {"scopes": ["datasets:everything"]}, "/scopes"),
    ("post /api/keys", {"scopes": ["jobs:read"] * 101}, "/scopes"),
    ("post /api/keys", {"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
    ("post /api/keys", {"expires_at": "2999-01-01T00:00:00"}, "/expires_at"),
    ("post /api/jobs", {"task": "no such task"}, "/task"),
    ("post /api/jobs", {"task": "system.sleep", "args": {}}, "/args/seconds"),
    ("post /api/jobs", {"task": "system.sleep", "args": {"seconds": -1}}, "/args"),
    ("post /api/jobs", {"args": {"value": 1, "more": 2}}, "/args/more"),
    ("post /api/jobs", {"args": {"value": "a\u0000"}}, "/args/value"),
    ("post /api/jobs", {"priority": 1001}, "/priority"),
    ("post /api/jobs", {"run_at": "tomorrow"}, "/run_at"),
    ("post /api/jobs", {"run_at": "9999-12-31T23:59:59-14:00"}, "/run_at"),
    ("post /api/jobs", {"max_attempts": 0}, "/max_attempts"),
    ("post /api/jobs", {"timeout_s": 0}, "/timeout_s"),
    ("post /api/jobs", {"unique_key": ""}, "/unique_key"),
    ("post /api/jobs", {"queue": "Bad Name"}, "/queue"),
    ("patch /api/datasets/{name}", {"visibility": "some"}, "/visibility"),
    ("patch /api/datasets/{name}", {"readers": ["no@body.org"]}, "/readers/0"),
    ("patch /api/datasets/{name}", {"readers": ["x"] * 1001}, "/readers"),
    ("patch /api/models/{model}", {"writers": ["no@body.org"]}, "/writers/0"),
    ("patch /api/models/{model}", {"writers": ["a\u0000"]}, "/writers/0"),
    ("put /api/models/{model}/aliases/{alias}", {"version": ""}, "/version"),
    ("put /api/datasets/{name}/current", {"version": 0}, "/version"),
    ("put /api/datasets/{name}/current", {"version": 2**70}, "/version"),
    ("post /api/query", {"sql": "DROP TABLE x"}, "/sql"),
    ("post /api/query", {"limit": 10_001}, "/limit"),
    ("post /api/query", {"timeout_s": 0}, "/timeout_s"),
    ("post /api/models/{model}/batch", {"output": "Bad Name"}, "/output"),
    ("post /api/models/{model}/batch", {"dataset_version": 0}, "/dataset_version"),
    ("post /api/models/{model}/batch", {"shard_rows": 0}, "/shard_rows"),
    ("post /api/models/{model}/batch", {"shard_rows": 1.5}, "/shard_rows"),
    ("put /api/recipes/{recipe}", {"steps": [{"step": "x"}]}, "/steps/0/step"),
    ("put /api/recipes/{recipe}", {"checks": [{"check": "x"}]}, "/checks/0/check"),
    (
        "put /api/recipes/{recipe}",
        {"steps": [{"step": "filter", "where": "("}]},
        "/steps/0/where",
    ),
    ("post /api/datasets/{name}/runs", {"output": "Bad Name"}, "/output"),
    ("post /api/datasets/{name}/runs", {"version": 0}, "/version"),
    ("put /api/feature-sets/{feature_set}", {"features": []}, "/features"),
    (
        "put /api/feature-sets/{feature_set}",
        {"features": [{"name": "a", "expression": "1 +"}]},
        "/features/0/expression",
    ),
    ("post /api/feature-sets/{feature_set}/compute", {"rows": [{}]}, "/rows/0/x0"),
    ("post /api/predict", {"features": ["1"]}, "/features/0"),
    ("post /api/predict", {"features": [1, 2]}, "/features"),
    ("post /api/predict", {"features": None, "rows": [1]}, "/rows/0"),
]


@pytest.mark.parametrize(("name", "change", "pointer"), SPECIAL)
def test_what_no_schema_says_is_named_too(
    admin: Client,
    every: list[Operation],
    objects: dict[str, str],
    stored: None,
    name: str,
    change: dict[str, Any],
    pointer: str,
) -> None:
    operation = next(o for o in every if o.name == name)
    body = {**GOOD[name], **change}
    body = {key: value for key, value in body.items() if value is not None}
    answer = call(admin, operation, objects, json=body)
    assert answer.status_code == 422, answer.text
    assert fault_of(answer, pointer) == ""


NOT_THERE: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", f"/api/datasets/{DATASET}/current", {"version": 99}),
    ("PUT", f"/api/models/{MODEL}/aliases/best", {"version": 99}),
    ("PUT", f"/api/models/{MODEL}/aliases/best", {"version": 2**70}),
    ("POST", "/api/predict", {"model": "none", "features": [1]}),
    ("POST", f"/api/models/{MODEL}/predict?version=99", {"features": [1]}),
    ("POST", f"/api/models/{MODEL}/batch", {"dataset": "none", "output": "o"}),
    ("POST", "/api/models/none/batch", {"dataset": DATASET, "output": "o"}),
    ("POST", f"/api/datasets/{DATASET}/runs", {"recipe": "none"}),
    ("POST", "/api/datasets/none/runs", {"recipe": DATASET}),
    ("POST", f"/api/datasets/{DATASET}/runs", {"recipe": DATASET, "version": 99}),
    ("POST", "/api/feature-sets/none/compute", {"rows": []}),
    ("POST", "/api/jobs", {"task": "no.such.task"}),
    ("PATCH", "/api/users/none", {"name": "N"}),
    ("PATCH", "/api/datasets/none", {"description": "x"}),
    ("PATCH", "/api/models/none", {"description": "x"}),
]


@pytest.mark.parametrize(("method", "path", "body"), NOT_THERE)
def test_what_is_not_there_is_404_or_named(
    admin: Client, stored: None, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = admin.request(method, path, json=body)
    assert answer.status_code in (404, 422), answer.text
    assert fault_of(answer) == ""


def form(*parts: tuple[str, str | None, bytes], end: bytes = b"--B--\r\n") -> bytes:
    """A multipart body with the boundary `B`."""
    written = b""
    for name, filename, content in parts:
        label = f'form-data; name="{name}"'
        if filename is not None:
            label += f'; filename="{filename}"'
        head = f"--B\r\nContent-Disposition: {label}\r\n\r\n"
        written += head.encode() + content + b"\r\n"
    return written + end


FORM = "multipart/form-data; boundary=B"
FILE = ("file", "t.csv", b"a\n1\n")
ARTIFACT = ("artifact", "m.joblib", b"x")
# Path, body, content type, status, what the answer names.
UPLOADS: list[tuple[str, bytes, str, int, str]] = [
    ("datasets", b"{}", "application/json", 422, "/source"),
    ("datasets", form(), FORM, 422, "file"),
    ("datasets", form(FILE, end=b""), FORM, 422, "boundary"),
    ("datasets", form(FILE), "multipart/form-data", 422, "boundary"),
    ("datasets", b"--C\r\n", FORM, 422, "multipart"),
    ("datasets", form(FILE, FILE), FORM, 422, "twice"),
    ("datasets", form(FILE, ("more", None, b"")), FORM, 422, "/more"),
    ("datasets", form(FILE, ("name", None, b"Bad Name")), FORM, 422, "name"),
    ("datasets", form(FILE, ("name", None, b"x" * 64)), FORM, 422, "name"),
    ("datasets", form(FILE, ("name", None, b"a\x00")), FORM, 422, "name"),
    ("datasets", form(FILE, ("name", None, b"\xff")), FORM, 422, "name"),
    ("datasets", form(FILE, ("options", None, b"{")), FORM, 422, "options"),
    ("datasets", form(FILE, ("options", None, b"[]")), FORM, 422, "options"),
    ("datasets", form(FILE, ("options", None, b'{"x": 1}')), FORM, 422, "/options/x"),
    (
        "datasets",
        form(FILE, ("options", None, b'{"types": {"a": "number"}}')),
        FORM,
        422,
        "/options/types/a",
    ),
    (
        "datasets",
        form(FILE, ("options", None, b'{"delimiter": ";;;"}')),
        FORM,
        422,
        "/options/delimiter",
    ),
    (
        "datasets",
        form(FILE, ("options", None, b'{"encoding": "klingon"}')),
        FORM,
        422,
        "encoding",
    ),
    ("datasets?name=..%2f..%2fetc", b"a\n1\n", "text/csv", 422, "name"),
    ("datasets?name=%00", b"a\n1\n", "text/csv", 422, "name"),
    ("datasets?name=%ED%A0%80", b"a\n1\n", "text/csv", 422, "name"),
    ("datasets?name=e", b"", "text/csv", 422, "empty"),
    ("datasets?name=p", b"\x89PNG\r\n\x1a\n" + b"0" * 99, "text/csv", 415, "PNG"),
    ("datasets?name=l", b"1" * (LARGEST_UPLOAD + 1), "text/csv", 413, "bytes"),
    ("datasets?name=d&dry_run=maybe", b"a\n1\n", "text/csv", 422, "dry_run"),
    ("datasets/bad-input/versions", form(), FORM, 422, "file"),
    (
        "datasets/bad-input/versions",
        form(FILE, ("mode", None, b"merge")),
        FORM,
        422,
        "mode",
    ),
    ("datasets/bad-input/versions?mode=x", form(FILE), FORM, 422, "mode"),
    ("datasets/none/versions", form(FILE), FORM, 404, "none"),
    ("models/up/versions", form(), FORM, 422, "artifact"),
    ("models/up/versions", form(ARTIFACT, ARTIFACT), FORM, 422, "twice"),
    ("models/up/versions", form(ARTIFACT, ("x", None, b"")), FORM, 422, "/x"),
    ("models/up/versions", form(ARTIFACT), FORM, 415, ""),
    ("models/up/versions", b"", "application/octet-stream", 422, "empty"),
    ("models/up/versions", b"1" * (LARGEST_UPLOAD + 1), "x/y", 413, "bytes"),
    ("models/Bad%20Name/versions", form(ARTIFACT), FORM, 422, "model"),
    (
        "models/up/versions",
        form(ARTIFACT, ("metadata", None, b'{"flavour": "r"}')),
        FORM,
        422,
        "/metadata/flavour",
    ),
    (
        "models/up/versions",
        form(ARTIFACT, ("metadata", None, b'{"description": "\\u0000"}')),
        FORM,
        422,
        "/metadata/description",
    ),
    (
        "models/up/versions",
        form(ARTIFACT, ("metadata", None, b"[" * 10_000)),
        FORM,
        422,
        "metadata",
    ),
]


@pytest.mark.parametrize(
    ("path", "content", "kind", "status", "named"),
    UPLOADS,
    ids=[f"{n}-{u[0]}" for n, u in enumerate(UPLOADS)],
)
def test_bad_uploads_are_refused(
    admin: Client,
    objects: dict[str, str],
    path: str,
    content: bytes,
    kind: str,
    status: int,
    named: str,
) -> None:
    def versions() -> list[tuple[str, int | None]]:
        found = [*list_of("datasets"), *list_of("models")]
        return [
            (item["name"], item.get("version", item.get("latest"))) for item in found
        ]

    def list_of(kind: str) -> list[dict[str, Any]]:
        items = admin.get(f"/api/{kind}?limit=1000").json()["items"]
        # The name of a model may stand without a version.
        return [item for item in items if item.get("latest", 1)]

    before = versions()
    headers = {"Content-Type": kind, "Prefer": "wait=30"}
    answer = admin.post(f"/api/{path}", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert fault_of(answer) == ""
    assert named in answer.text
    # A refused file leaves its failed job, which says why, and nothing else.
    assert versions() == before


HEADERS: list[tuple[str, str, dict[str, str], set[int]]] = [
    ("PATCH", f"/api/datasets/{DATASET}", {"If-Match": '"nope"'}, {412}),
    ("PATCH", f"/api/models/{MODEL}", {"If-Match": "x" * 9000}, {412, 422}),
    ("DELETE", f"/api/models/{MODEL}", {"If-Match": '"nope"'}, {412}),
    ("POST", "/api/jobs", {"Idempotency-Key": "k" * 256}, {422}),
    ("POST", "/api/jobs", {"Idempotency-Key": ""}, {422}),
    ("GET", "/api/me", {"X-Pad": "x" * 17_000}, {431}),
    ("GET", "/api/me", {"Host": "evil.example"}, {421}),
    ("GET", "/api/jobs/x/events", {"Last-Event-ID": "x" * 65}, {404, 422}),
    ("GET", "/api/events", {"Last-Event-ID": "x" * 65}, {422}),
    ("PATCH", "/api/users/me", {"If-Match": "nope"}, {412}),
]


@pytest.mark.parametrize(("method", "path", "headers", "statuses"), HEADERS)
def test_bad_headers_are_refused(
    admin: Client,
    objects: dict[str, str],
    stored: None,
    method: str,
    path: str,
    headers: dict[str, str],
    statuses: set[int],
) -> None:
    body = {"task": "system.echo"} if "jobs" in path else {}
    sent = None if method == "GET" else body
    answer = admin.request(method, path, headers=headers, json=sent)
    assert answer.status_code in statuses, answer.text
    assert fault_of(answer) == ""


@pytest.mark.parametrize("prefer", ["wait=x", "wait=-1", "wait=1e9", "respond-async"])
def test_a_wish_that_cannot_be_read_is_no_wish(admin: Client, prefer: str) -> None:
    body = {"task": "system.echo", "run_at": "2999-01-01T00:00:00Z"}
    answer = admin.post("/api/jobs", json=body, headers={"Prefer": prefer})
    assert answer.status_code == 202, answer.text
    admin.post(answer.headers["location"] + "/cancel")


# Names and parameters, at random

NASTY = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "9" * 30,
        "1e400",
        "NaN",
        "null",
        "true",
        "..",
        "../../etc/passwd",
        "%",
        "%%%",
        "a\x00b",
        "'; DROP TABLE jobs;--",
        '"',
        "\\",
        "\u202e",
        "💥" * 50,
        "x" * 5000,
        "a > ",
        "x0 > 'a'",
        "(" * 500,
        "x0 = 1e999",
        "-x0,x0",
        "x0 LIKE '%'",
        "1 = 1",
        "x0 / 0 > 1",
    ]
)
TEXTS = NASTY | st.text(max_size=40) | st.integers().map(str)


def gets(every: list[Operation]) -> list[Operation]:
    return [
        o
        for o in every
        if o.method == "get" and o.name not in ENDLESS and "/events" not in o.path
    ]


@given(data=st.data())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_parameters_of_any_get_are_taken_or_refused(
    admin: Client, every: list[Operation], objects: dict[str, str], data: st.DataObject
) -> None:
    operation = data.draw(st.sampled_from([o for o in gets(every) if parameters(o)]))
    given_names = data.draw(st.sets(st.sampled_from(parameters(operation)), min_size=1))
    pairs = [
        f"{name}={quote(data.draw(TEXTS), safe='', errors='surrogatepass')}"
        for name in sorted(given_names)
    ]
    answer = admin.get(operation.at(objects) + "?" + "&".join(pairs))
    if answer.status_code >= 400:
        assert fault_of(answer) == "", pairs


@given(raw=TEXTS.map(lambda t: t.encode("utf-8", "surrogatepass")) | st.binary())
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_name_in_any_path_is_found_or_not(
    admin: Client, every: list[Operation], objects: dict[str, str], raw: bytes
) -> None:
    name = quote_from_bytes(raw, safe="").replace(".", "%2E") or "%20"
    for operation in gets(every):
        if not operation.names_object:
            continue
        answer = admin.get(operation.at(dict.fromkeys(objects, name)))
        assert fault_of(answer) == "", operation.name
    for path in (f"/api/datasets/{name}", f"/api/jobs/{name}", f"/api/users/{name}"):
        assert fault_of(admin.delete(path)) == "", path


def parameters(operation: Operation) -> list[str]:
    return [
        p["name"]
        for p in operation.document.get("parameters", ())
        if p["in"] == "query"
    ]
