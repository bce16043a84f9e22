"""Who may call what: every operation of the document with every credential."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from tests.acceptance.operations import (
    ENDLESS,
    Operation,
    call,
    good_body,
    operations,
)
from tests.conftest import Callers
from tests.served import PASSWORD, unique, upload

Client = httpx2.Client
NOT_JSON = {"content": b"{", "headers": {"Content-Type": "application/json"}}
# What no answer says: hashes, drivers, addresses of databases.
TELLING = {"$argon2", "password_hash", "sqlite3", "aiosqlite", "sqlite:/", "Traceback"}
# A taken name may show by 409: names are unique on a server. Queues are nobody's.
NOT_MISSING = {
    "put /api/models/{model}": 409,
    "put /api/schedules/{name}": 409,
    "put /api/connections/{name}": 409,
    "put /api/queues/{name}": 403,
    "put /api/recipes/{recipe}": 409,
    "put /api/feature-sets/{feature_set}": 409,
}


@pytest.fixture(scope="module")
def every(callers: Callers) -> list[Operation]:
    found = operations(callers.nobody)
    assert len(found) > 60
    return found


@pytest.fixture(scope="module")
def objects(callers: Callers, models: dict[str, str]) -> dict[str, str]:
    """One of each object, all the editor's, by the name of its path parameter."""
    editor, dataset = callers.editor, unique("matrix")
    assert upload(editor, dataset, "secret\n42\n").status_code == 201
    job = {"task": "system.echo", "run_at": "2999-01-01T00:00:00Z"}
    alias = f"/api/models/{models['flowers']}/aliases/best"
    assert editor.put(alias, json={"version": 1}).status_code == 200
    schedule = {"task": "system.echo", "every_s": 3600, "paused": True}
    assert editor.put(f"/api/schedules/{dataset}", json=schedule).status_code == 201
    recipe = {"checks": [{"check": "not_null", "column": "secret"}]}
    assert editor.put(f"/api/recipes/{dataset}", json=recipe).status_code == 201
    features = {"features": [{"name": "a", "expression": "1"}]}
    path = f"/api/feature-sets/{dataset}"
    assert editor.put(path, json=features).status_code == 201
    connection = {"kind": "sqlite", "path": "none.db"}
    files = callers.server.data_dir / "databases"
    files.mkdir(exist_ok=True)
    sqlite3.connect(files / "none.db").close()
    made = editor.put(f"/api/connections/{dataset}", json=connection)
    assert made.status_code == 201
    me = editor.get("/api/me").json()
    keys = editor.get("/api/keys").json()["items"]
    sessions = editor.get("/api/sessions").json()["items"]
    return {
        "name": dataset,
        "recipe": dataset,
        "feature_set": dataset,
        "model": models["flowers"],
        "version": "1",
        "alias": "best",
        "job_id": editor.post("/api/jobs", json=job).json()["id"],
        "key_id": keys[0]["id"],
        "user_id": me["id"],
        "session_id": sessions[0]["id"],
    }


@pytest.fixture(scope="module")
def narrow(callers: Callers) -> Iterator[dict[str, Client]]:
    """For each scope a client whose key has it alone. The keys are an admin's."""
    with ExitStack() as stack:
        clients = {}
        for scope in callers.admin.get("/api/me").json()["scopes"]:
            body = {"name": unique("narrow"), "scopes": [scope]}
            key = callers.admin.post("/api/keys", json=body).json()["key"]
            clients[scope] = stack.enter_context(callers.server.client(key))
        yield clients


def fault_of(answer: httpx2.Response, *statuses: int) -> str:
    """What is wrong with a refusal; nothing where it is as it must be."""
    if answer.status_code not in statuses:
        return f"{answer.status_code} {answer.text[:200]}"
    if answer.request.url.path.startswith("/v2"):  # the protocol has its own shape
        return "" if answer.json().keys() == {"error"} else answer.text
    if answer.headers["content-type"] != "application/problem+json":
        return answer.headers["content-type"]
    if answer.json()["request_id"] != answer.headers["x-request-id"]:
        return "request_id"
    if answer.json()["instance"] != answer.request.url.path:
        return "instance"
    return ""


def faults(found: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, fault) for name, fault in found if fault]


def test_without_a_credential_nothing_opens(
    callers: Callers, every: list[Operation], objects: dict[str, str]
) -> None:
    found = []
    for operation in every:
        if operation.is_public:
            continue
        answer = call(callers.nobody, operation, objects, **NOT_JSON)
        found.append((operation.name, fault_of(answer, 401)))
        if "www-authenticate" not in answer.headers:
            found.append((operation.name, "no challenge"))
    assert faults(found) == []


@pytest.mark.parametrize("credential", ["Bearer x", "Bearer ftl_a_b", "Basic YTpi"])
def test_with_a_wrong_credential_nothing_opens(
    callers: Callers,
    every: list[Operation],
    objects: dict[str, str],
    credential: str,
) -> None:
    headers = {"Authorization": credential}
    found = [
        (o.name, fault_of(call(callers.nobody, o, objects, headers=headers), 401))
        for o in every
        if not o.is_public
    ]
    assert faults(found) == []


def test_f02_every_wrong_scope_is_refused_before_the_body(
    narrow: dict[str, Client], every: list[Operation], objects: dict[str, str]
) -> None:
    found = []
    for operation in every:
        for scope, client in narrow.items():
            if operation.scopes is None or operation.scopes <= {scope}:
                continue
            answer = call(client, operation, objects, **NOT_JSON)
            found.append((f"{operation.name} {scope}", fault_of(answer, 403)))
            if "insufficient_scope" not in answer.headers.get("www-authenticate", ""):
                found.append((operation.name, "no challenge"))
    assert len(found) > 500
    assert faults(found) == []


@pytest.mark.parametrize("role", ["viewer", "other"])
def test_g05_what_a_role_lacks_is_refused(
    callers: Callers, every: list[Operation], objects: dict[str, str], role: str
) -> None:
    client: Client = getattr(callers, role)
    has = set(client.get("/api/me").json()["scopes"])
    lacking = [o for o in every if o.scopes is not None and not o.scopes <= has]
    assert {"get /api/users", "get /api/audit"} <= {o.name for o in lacking}
    found = [
        (o.name, fault_of(call(client, o, objects, **NOT_JSON), 403)) for o in lacking
    ]
    assert faults(found) == []


def test_g01_objects_of_others_do_not_exist(
    callers: Callers, every: list[Operation], objects: dict[str, str]
) -> None:
    has = set(callers.other.get("/api/me").json()["scopes"])
    # Some need a sign-in, which a key is not.
    form = {"username": "other@example.org", "password": PASSWORD}
    answer = callers.nobody.post("/token", data={"grant_type": "password", **form})
    found = []
    with callers.server.client(answer.json()["access_token"]) as other:
        for operation in every:
            if not operation.names_object or not (operation.scopes or set()) <= has:
                continue
            body = good_body(operation, objects)
            answer = call(other, operation, objects, **body)
            status = NOT_MISSING.get(operation.name, 404)
            found.append((operation.name, fault_of(answer, status)))
    assert len(found) > 30
    assert faults(found) == []
    for path in (
        "datasets/{name}",
        "schedules/{name}",
        "models/{model}",
        "recipes/{recipe}",
        "feature-sets/{feature_set}",
        "jobs/{job_id}",
        "keys/{key_id}",
    ):
        answer = callers.editor.get("/api/" + path.format(**objects))
        assert answer.status_code == 200
        assert "changed" not in answer.text


def test_g01_what_does_not_exist_answers_as_what_others_have(
    callers: Callers, objects: dict[str, str]
) -> None:
    for path, kind in (
        ("/api/datasets/{name}", "name"),
        ("/api/models/{model}", "model"),
        ("/api/jobs/{job_id}", "job_id"),
    ):
        nothing = {**objects, kind: "0" * len(objects[kind])}
        theirs = callers.other.get(path.format(**objects)).json()
        none = callers.other.get(path.format(**nothing)).json()
        for document in (theirs, none):
            document["request_id"] = document["instance"] = ""
        text = str(theirs).replace(objects[kind], nothing[kind])
        assert text == str(none)


def test_g02_lists_hold_nothing_of_others(
    callers: Callers, objects: dict[str, str]
) -> None:
    for kind, name in (
        ("datasets", "name"),
        ("models", "model"),
        ("recipes", "recipe"),
        ("feature-sets", "feature_set"),
        ("jobs", "job_id"),
        ("keys", "key_id"),
        ("sessions", "session_id"),
    ):
        path = f"/api/{kind}" if kind == "sessions" else f"/api/{kind}?limit=1000"
        assert objects[name] in callers.editor.get(path).text, kind
        assert objects[name] not in callers.other.get(path).text, kind
        assert objects[name] not in callers.viewer.get(path).text, kind
    assert objects["model"] not in callers.other.get("/openapi.json").text


def test_g08_names_in_bodies_are_checked_too(
    callers: Callers, objects: dict[str, str], models: dict[str, str]
) -> None:
    other, theirs = callers.other, {"dataset": objects["name"], "output": "mine"}
    row: dict[str, Any] = {"model": objects["model"], "rows": []}
    batch = {"model": objects["model"], **theirs}
    run = {"recipe": objects["recipe"], **theirs}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/api/predict", row),
        (f"/api/models/{objects['model']}/batch", theirs),
        ("/api/jobs", {"task": "predictions.batch", "args": batch}),
        ("/api/jobs", {"task": "recipes.run", "args": run}),
    ]
    for path, body in calls:
        assert not fault_of(other.post(path, json=body), 404), path
    assert other.get("/api/datasets/mine").status_code == 404


def test_g03_an_owner_cannot_be_given_in_a_body(
    callers: Callers, objects: dict[str, str]
) -> None:
    for field in ("owner_id", "id", "created_by", "is_admin"):
        for path in ("/api/datasets/{name}", "/api/models/{model}", "/api/users/me"):
            body = {field: "x"}
            answer = callers.editor.patch(path.format(**objects), json=body)
            assert not fault_of(answer, 422), (path, field)


def test_g10_no_header_turns_one_method_into_another(
    callers: Callers, objects: dict[str, str]
) -> None:
    path = f"/api/datasets/{objects['name']}"
    for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        callers.editor.get(path, headers={header: "DELETE"})
    assert callers.editor.get(path).status_code == 200
    assert callers.nobody.head(path).status_code in (401, 405)


def test_f04_a_key_makes_no_wider_key(narrow: dict[str, Client]) -> None:
    body = {"name": "wider", "scopes": ["users:write"]}
    assert not fault_of(narrow["keys:write"].post("/api/keys", json=body), 403)


def test_f01_f03_a_key_is_shown_once_and_ends_at_once(callers: Callers) -> None:
    body = {"name": "short", "scopes": ["jobs:read"]}
    made = callers.editor.post("/api/keys", json=body).json()
    path = f"/api/keys/{made['id']}"
    assert made["key"] not in callers.editor.get(path).text
    with callers.server.client(made["key"]) as client:
        assert client.get("/api/jobs").status_code == 200
        assert callers.editor.delete(path).status_code == 204
        assert not fault_of(client.get("/api/jobs"), 401)


def test_g04_no_answer_tells_what_is_kept_secret(
    callers: Callers, every: list[Operation], objects: dict[str, str]
) -> None:
    server = str(callers.server.data_dir.parent)
    told: list[tuple[str, str]] = []
    for operation in every:
        if operation.method != "get" or operation.name in ENDLESS:
            continue
        if operation.path.endswith("/events"):
            continue
        answer = call(callers.admin, operation, objects)
        if answer.status_code >= 500:
            told.append((operation.name, answer.text))
        for word in TELLING | {server}:
            # What kind of database it is, readiness may say.
            if word in answer.text and operation.path != "/readyz":
                told.append((operation.name, word))
    assert told == []


def test_every_answer_has_a_schema_and_every_operation_its_errors(
    callers: Callers, every: list[Operation]
) -> None:
    missing, names = [], [o.document["operationId"] for o in every]
    for operation in every:
        responses = operation.document["responses"]
        for status, response in responses.items():
            content = response.get("content", {})
            # What is streamed has events, and no body that a schema could be of.
            whole = [m for kind, m in content.items() if kind != "text/event-stream"]
            if not all(media.get("schema") for media in whole):
                missing.append((operation.name, status, "no schema"))
            # FastAPI writes no content where an answer never has any.
            if status == "200" and not content:
                missing.append((operation.name, status, "no content"))
            if status[0] in "45d" and operation.path != "/readyz" and not content:
                missing.append((operation.name, status, "no problem"))
        wanted = {"default"} if operation.is_public else {"default", "401", "403"}
        if not wanted <= set(responses):
            missing.append((operation.name, str(wanted - set(responses)), "missing"))
        if not operation.document.get("summary"):
            missing.append((operation.name, "", "no summary"))
    assert missing == []
    assert len(names) == len(set(names))


def test_the_document_of_a_caller_holds_its_models_once(
    callers: Callers, models: dict[str, str]
) -> None:
    document = callers.editor.get("/openapi.json").json()
    names = [o["operationId"] for i in document["paths"].values() for o in i.values()]
    assert len(names) == len(set(names))
    for model in models.values():
        assert f"/api/models/{model}/predict" in document["paths"]


def test_tokens_speak_oauth_even_when_they_refuse(callers: Callers) -> None:
    for path in ("/token", "/token/revoke"):
        for answer in (
            callers.nobody.post(path, json={}),
            callers.nobody.post(path, data={}),
            callers.nobody.get(path),
        ):
            assert 400 <= answer.status_code < 500
            assert answer.headers["content-type"] == "application/json"
            assert set(answer.json()) == {"error", "error_description"}
