"""No route blocks the event loop: every operation of the document is called once."""

import json
from pathlib import Path
from typing import Any

import httpx2
import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from foretell.app import create_app
from foretell.auth.identity import Identity
from foretell.auth.keys import NewKey
from foretell.auth.service import NewUser
from foretell.settings import Settings
from tests.blocking import Detector, detecting
from tests.served import PASSWORD

BODIES: dict[str, Any] = {
    "post /token": {
        "data": {
            "grant_type": "password",
            "username": "admin@example.org",
            "password": PASSWORD,
        }
    },
    "post /token/revoke": {"data": {"token": "x"}},
    "post /api/users": {
        "json": {"email": "b@example.org", "password": PASSWORD, "name": "B"}
    },
    "post /api/keys": {"json": {"name": "k", "scopes": ["datasets:read"]}},
    "post /api/session": {"json": {"email": "admin@example.org", "password": PASSWORD}},
    "post /api/jobs": {"json": {"task": "system.echo", "args": {"value": 1}}},
    "post /api/datasets": {"files": {"file": ("more.csv", b"a,b\n1,2\n")}},
    "post /api/datasets/{name}/versions": {"files": {"file": ("t.csv", b"a,b\n3,4\n")}},
    "patch /api/datasets/{name}": {"json": {"description": "x"}},
    "put /api/datasets/{name}/current": {"json": {"version": 1}},
    "put /api/models/{name}": {"json": {}},
    "post /api/models/{name}/predict": {"json": {"features": [1.0, 2.0]}},
    "post /api/predict": {"json": {"features": [1.0, 2.0]}},
    "post /api/models/{name}/batch": {"json": {"dataset": "table", "output": "out"}},
    "put /api/models/{name}/aliases/{alias}": {"json": {"version": 1}},
}
# Asked for while a job runs elsewhere; its stream has no end of its own.
ENDLESS = frozenset({"get /api/events"})
LAST = ("delete", "post /api/setup", "post /api/users/me/password")


@pytest.fixture
async def client(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "data", allowed_hosts=["testserver"])
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        identity = app.state.foretell.port(Identity)
        async with identity.unit_of_work() as services:
            user = await services.accounts.create_local(
                NewUser("admin@example.org", PASSWORD, "Admin")
            )
            key = await services.keys.create_for(user, NewKey("test", []))
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://testserver",
            headers={"Authorization": f"Bearer {key.key}"},
            timeout=60,
        ) as client:
            yield client


async def prepare(client: httpx2.AsyncClient, tmp_path: Path) -> dict[str, str]:
    """A dataset, a model and a job to name in paths."""
    table = await client.post(
        "/api/datasets?name=table",
        content=b"a,b\n1,2\n3,4\n5\n",
        headers={"Prefer": "wait=50"},
    )
    assert table.status_code == 201, table.text
    model = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], ["no", "yes"])
    joblib.dump(model, tmp_path / "model.joblib")
    artifact = (tmp_path / "model.joblib").read_bytes()
    made = await client.post(
        "/api/models/model/versions",
        files={"artifact": ("model.joblib", artifact)},
        headers={"Prefer": "wait=50"},
    )
    assert made.status_code == 201, made.text
    job = await client.post(
        "/api/jobs",
        json={"task": "system.echo", "args": {"value": 1}},
        headers={"Prefer": "wait=50"},
    )
    me = (await client.get("/api/me")).json()
    return {"job_id": job.json()["id"], "user": me.get("id", "x")}


def path_of(path: str, known: dict[str, str]) -> str:
    values = {"version": "1", "alias": "best", "job_id": known["job_id"], "id": "x"}
    if path.startswith("/api/datasets"):
        values["name"] = "table"
    if path.startswith("/api/models"):
        values |= {"name": "model", "m": "model", "model": "model"}
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, values.get(part[1:-1], known["job_id"]))
    return path


async def call(
    client: httpx2.AsyncClient, detector: Detector, operation: str, path: str
) -> int:
    detector.label = operation
    arguments = BODIES.get(operation, {})
    if operation == "post /api/models/{name}/versions":
        arguments = {"files": {"artifact": ("m.joblib", b"\x80\x04K\x01.")}}
    answer = await client.request(operation.split()[0].upper(), path, **arguments)
    return answer.status_code


async def test_no_operation_blocks_the_event_loop(client, tmp_path):
    document = (await client.get("/openapi.json")).json()
    known = await prepare(client, tmp_path)
    operations = [
        (f"{method} {path}", path_of(path, known))
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "put", "post", "patch", "delete")
    ]
    operations.sort(key=lambda o: o[0].startswith(LAST))
    statuses: dict[str, int] = {}
    with detecting() as detector:
        for operation, path in operations:
            if operation not in ENDLESS:
                statuses[operation] = await call(client, detector, operation, path)
    assert detector.found == []
    faults = {o: s for o, s in statuses.items() if s >= 500}
    assert faults == {}
    reached = [o for o, s in statuses.items() if s < 300]
    assert len(reached) > len(statuses) / 2, json.dumps(statuses, indent=1)
