"""Jobs over HTTP, with real workers behind the routes."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest

from foretell.core.clock import SystemClock
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role, scopes_of
from foretell.http.edge import Edge
from foretell.http.metrics import Metrics
from foretell.http.problems import Renderers, install_handlers
from foretell.http.state import AppState
from foretell.jobs import schedule_routes
from foretell.jobs.doorbell import Doorbell
from foretell.jobs.events import events_of_all
from foretell.jobs.routes import routes
from foretell.jobs.watcher import Watcher
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.settings import Settings
from tests.jobs import work
from tests.jobs.conftest import Office


def caller(name: str, role: Role) -> Principal:
    return Principal(name, f"{name}@x.org", role, scopes_of(role), "key")


CALLERS = {
    f"Bearer {name}".encode(): caller(name, role)
    for name, role in [
        ("anna", Role.EDITOR),
        ("ben", Role.EDITOR),
        ("vera", Role.VIEWER),
        ("root", Role.ADMIN),
    ]
}


class Callers:
    """An authenticator whose credentials are names."""

    async def authenticate(
        self,
        headers: Mapping[bytes, bytes],
        *,
        is_safe_method: bool,
        address: str = "",
    ) -> Principal | None:
        return self.authenticate_cached(headers)

    def authenticate_cached(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        return CALLERS.get(headers.get(b"authorization", b""))


@pytest.fixture
async def app(sqlite_office: Office) -> AsyncIterator[Edge]:
    office = sqlite_office
    app = Edge(title="test", docs_url=None, redoc_url=None, openapi_url=None)
    metrics = Metrics()
    app.open_edge(hosts=frozenset({"testserver"}), cors_origins=[], metrics=metrics)
    app.state.metrics = metrics
    app.state.renderers = Renderers()
    app.state.foretell = state = AppState(
        settings=Settings(data_dir=office.data_dir),
        database=office.database,
        clock=SystemClock(),
        cursors=Cursors(b"k" * 32),
        blobs=FileBlobStore(office.data_dir),
        authenticator=Callers(),
    )
    install_handlers(app)
    app.include_router(routes)
    app.include_router(schedule_routes.routes)
    async with Watcher(office.database, office.data_dir) as watcher:
        state.provide(watcher)
        state.provide(work.registry())
        state.provide(office.bell, Doorbell)
        state.waiter = watcher
        yield app


class Api:
    """Asks as one caller."""

    def __init__(self, app: Edge, name: str | None) -> None:
        headers = {} if name is None else {"authorization": f"Bearer {name}"}
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://testserver",
            headers=headers,
            timeout=60,
        )

    async def submit(
        self, task: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx2.Response:
        body = {"task": task, **body}
        return await self.client.post("/api/jobs", json=body, headers=headers)

    async def done(self, task: str, **body: Any) -> dict[str, Any]:
        answer = await self.submit(task, {"Prefer": "wait=40"}, **body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
async def anna(app: Edge) -> AsyncIterator[Api]:
    api = Api(app, "anna")
    async with api.client:
        yield api


@pytest.fixture
async def ben(app: Edge) -> AsyncIterator[Api]:
    api = Api(app, "ben")
    async with api.client:
        yield api


@pytest.fixture
async def root(app: Edge) -> AsyncIterator[Api]:
    api = Api(app, "root")
    async with api.client:
        yield api


async def test_a_submitted_job_has_an_address_and_an_end(anna: Api) -> None:
    answer = await anna.submit("system.echo", args={"value": [1, "ä"]})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['id']}"
    job = await anna.done("system.echo", args={"value": {"x": None}})
    assert job["state"] == "succeeded"
    assert job["result"] == {"value": {"x": None}}
    assert job["progress"].keys() == {"done", "total", "unit", "message"}
    assert job["attempt"] == 1


async def test_waiting_answers_the_job_whatever_its_end(anna: Api) -> None:
    job = await anna.done("test.fail", args={"kind": "invalid"})
    assert job["state"] == "failed"
    assert job["error"]["status"] == 422
    too_short = await anna.submit(
        "system.sleep", {"Prefer": "wait=1"}, args={"seconds": 60}
    )
    assert too_short.status_code == 202
    await anna.client.post(f"{too_short.headers['location']}/cancel")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"task": "system.sleep", "args": {"seconds": "long"}}, "/args/seconds"),
        ({"task": "system.sleep", "args": {"seconds": -1}}, "/args/seconds"),
        ({"task": "system.sleep", "args": {"seconds": 1, "x": 1}}, "/args/x"),
        ({"task": "system.echo", "args": {"value": "\x00"}}, "/args/value"),
        ({"task": "no.such"}, "/task"),
        ({"task": "system.echo", "color": "red"}, "/color"),
        ({"task": "system.echo", "run_at": "2026-01-01T00:00:00"}, "/run_at"),
        ({"task": "system.echo", "max_attempts": 0}, "/max_attempts"),
        ({"task": "system.echo", "timeout_s": 0}, "/timeout_s"),
        ({"task": "system.echo", "args": [1]}, "/args"),
    ],
)
async def test_a_wrong_submission_names_the_field(
    anna: Api, body: dict[str, Any], pointer: str
) -> None:
    answer = await anna.client.post("/api/jobs", json=body)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_not_a_number_is_refused(anna: Api) -> None:
    body = '{"task": "system.echo", "args": {"value": [NaN]}}'
    answer = await anna.client.post(
        "/api/jobs", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422


async def test_scopes_and_roles_are_checked(app: Edge, anna: Api, root: Api) -> None:
    mail = {"to": "a@example.org", "subject": "Hi", "text": ""}
    assert (await anna.submit("mail.send", args=mail)).status_code == 403
    assert (await root.submit("mail.send", args=mail)).status_code == 202
    viewer, nobody = Api(app, "vera"), Api(app, None)
    async with viewer.client, nobody.client:
        assert (await viewer.submit("system.echo")).status_code == 403
        assert (await nobody.submit("system.echo")).status_code == 401


async def test_tasks_are_listed_with_their_schemas(anna: Api, root: Api) -> None:
    listed = (await anna.client.get("/api/tasks")).json()["items"]
    tasks = {task["name"]: task for task in listed}
    assert tasks["system.sleep"]["args"]["required"] == ["seconds"]
    assert "mail.send" not in tasks
    everything = (await root.client.get("/api/tasks")).json()["items"]
    assert "mail.send" in {task["name"] for task in everything}


async def test_a_job_is_nothing_to_others_but_admins(
    anna: Api, ben: Api, root: Api
) -> None:
    job = await anna.done("system.echo")
    path = f"/api/jobs/{job['id']}"
    for tail in ("", "/log", "/events", "/attempts"):
        assert (await ben.client.get(path + tail)).status_code == 404
        assert (await root.client.get(path + tail)).status_code == 200
    for tail in ("/cancel", "/retry"):
        assert (await ben.client.post(path + tail)).status_code == 404
    mine = (await ben.client.get("/api/jobs?limit=1000")).json()["items"]
    assert job["id"] not in {found["id"] for found in mine}


async def test_lists_page_and_filter(anna: Api) -> None:
    ids = [(await anna.done("test.flaky", args={"fails": 0}))["id"] for _ in range(3)]
    found: list[str] = []
    query = "/api/jobs?task=test.flaky&state=succeeded&limit=2"
    page = (await anna.client.get(query)).json()
    while True:
        found += [job["id"] for job in page["items"]]
        if page["next"] is None:
            break
        page = (await anna.client.get(f"{query}&cursor={page['next']}")).json()
    assert found[:3] == ids[::-1]
    for wrong in ("limit=0", "state=odd", "cursor=xyz"):
        assert (await anna.client.get(f"/api/jobs?{wrong}")).status_code == 422


async def test_polling_with_the_etag_is_cheap(anna: Api) -> None:
    job = await anna.done("system.echo")
    path = f"/api/jobs/{job['id']}"
    tag = (await anna.client.get(path)).headers["etag"]
    again = await anna.client.get(path, headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


async def test_retry_keeps_the_id_and_refuses_what_succeeded(anna: Api) -> None:
    failed = await anna.done("test.fail", args={"kind": "invalid"})
    again = await anna.client.post(f"/api/jobs/{failed['id']}/retry")
    assert (again.status_code, again.json()["id"]) == (202, failed["id"])
    assert again.json()["error"] is None
    done = await anna.done("system.echo")
    refused = await anna.client.post(f"/api/jobs/{done['id']}/retry")
    assert refused.status_code == 409
    assert (await anna.client.post(f"/api/jobs/{done['id']}/cancel")).status_code == 409


async def test_a_waiting_job_is_cancelled_at_once_and_again_without_harm(
    anna: Api,
) -> None:
    later = (await anna.submit("system.echo", run_at="2999-01-01T00:00:00Z")).json()
    assert later["state"] == "queued"
    for _ in range(2):
        answer = await anna.client.post(f"/api/jobs/{later['id']}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


async def test_a_unique_key_and_an_idempotency_key_answer_the_same_job(
    anna: Api, ben: Api
) -> None:
    body: dict[str, Any] = {"args": {"seconds": 30}, "unique_key": "k"}
    first = (await anna.submit("system.sleep", **body)).json()
    assert (await anna.submit("system.sleep", **body)).json()["id"] == first["id"]
    other = (await ben.submit("system.sleep", **body)).json()
    assert other["id"] != first["id"]
    await anna.client.post(f"/api/jobs/{first['id']}/cancel")
    await ben.client.post(f"/api/jobs/{other['id']}/cancel")


def events_in(text: str) -> list[dict[str, str]]:
    """Server-Sent Events as fields (one `data` line each is enough here)."""
    blocks = [block for block in text.split("\n\n") if block and block[0] != ":"]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


async def test_the_events_of_a_job_end_with_its_last_state_and_resume(
    anna: Api,
) -> None:
    job = (await anna.submit("test.chatty", args={"updates": 300})).json()
    path = f"/api/jobs/{job['id']}/events"
    answer = await anna.client.get(path)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_in(answer.text)
    assert {event["event"] for event in events} == {"state", "progress", "log"}
    assert json.loads(events[-1]["data"])["state"] == "succeeded"
    assert any("printed words" in event["data"] for event in events)
    resumed = await anna.client.get(path, headers={"last-event-id": events[-1]["id"]})
    assert [event["id"] for event in events_in(resumed.text)] == [events[-1]["id"]]


async def test_the_events_of_all_jobs_hold_only_ones_own(
    app: Edge, anna: Api, ben: Api
) -> None:
    watcher = app.state.foretell.port(Watcher)
    stream = events_of_all(watcher, CALLERS[b"Bearer anna"], None)
    await anext(stream)  # listening now
    others = await ben.done("system.echo")
    mine = await anna.done("system.echo")
    seen = []
    async for chunk in stream:
        for event in events_in(chunk.decode()):
            seen.append(json.loads(event["data"]))
            last = event["id"]
        if (mine["id"], "succeeded") in [(job["id"], job["state"]) for job in seen]:
            break
    # A job of another test may have ended at the very moment the stream began.
    assert others["id"] not in {job["id"] for job in seen}
    assert {job["owner_id"] for job in seen} == {mine["owner_id"]}
    # What happened while nobody listened is told to who comes back.
    missed = await anna.done("system.echo")
    again = events_of_all(watcher, CALLERS[b"Bearer anna"], last)
    ids = set()
    async for chunk in again:
        ids |= {json.loads(e["data"])["id"] for e in events_in(chunk.decode())}
        if missed["id"] in ids:
            break


async def test_the_log_is_read_from_an_offset_on(anna: Api) -> None:
    job = await anna.done("test.chatty", args={"updates": 1})
    path = f"/api/jobs/{job['id']}/log"
    whole = await anna.client.get(path)
    assert "printed words" in whole.text
    rest = await anna.client.get(path, params={"offset": len(whole.content)})
    assert (rest.text, rest.headers["x-next-offset"]) == ("", str(len(whole.content)))


async def test_a_schedule_is_put_shown_run_and_deleted(
    anna: Api, ben: Api, root: Api
) -> None:
    path = "/api/schedules/nightly"
    body = {"task": "system.echo", "args": {"value": 1}, "cron": "30 2 * * *"}
    made = await anna.client.put(path, json=body | {"timezone": "Europe/Berlin"})
    assert made.status_code == 201
    shown = made.json()
    assert (shown["timezone"], shown["overlap"]) == ("Europe/Berlin", "skip")
    assert (shown["catch_up"], shown["paused"], shown["every_s"]) == (
        "one",
        False,
        None,
    )
    assert len(shown["next_runs"]) == 5
    assert (await anna.client.put(path, json=body)).status_code == 200
    assert (await ben.client.get(path)).status_code == 404
    assert (await ben.client.put(path, json=body)).status_code == 409
    run = await anna.client.post(f"{path}/run")
    assert (run.status_code, run.json()["task"]) == (202, "system.echo")
    listed = (await anna.client.get("/api/schedules")).json()["items"]
    assert [item["name"] for item in listed] == ["nightly"]
    assert (await anna.client.delete(path)).status_code == 204
    assert (await anna.client.get(path)).status_code == 404


async def test_a_schedule_that_cannot_be_is_refused(
    anna: Api, ben: Api, root: Api
) -> None:
    path = "/api/schedules/odd"
    echo = {"task": "system.echo"}
    for body, status, slug in [
        (echo, 422, "schedule-invalid"),
        (echo | {"cron": "61 * * * *"}, 422, "schedule-invalid"),
        (echo | {"every_s": 0.1}, 422, "invalid"),
        (
            echo | {"cron": "* * * * *", "args": {"no": 1}},
            422,
            "task-arguments-invalid",
        ),
        ({"task": "mail.send", "every_s": 60}, 403, "task-forbidden"),
        ({"task": "none.such", "every_s": 60}, 422, "task-unknown"),
    ]:
        answer = await anna.client.put(path, json=body)
        assert answer.status_code == status, answer.text
        assert slug in answer.json()["type"]


async def test_only_admins_pause_a_queue(anna: Api, ben: Api, root: Api) -> None:
    body = {"paused": True}
    assert (await anna.client.put("/api/queues/slow", json=body)).status_code == 403
    paused = await root.client.put("/api/queues/slow", json=body)
    assert paused.json() == {"name": "slow", "paused": True, "queued": 0, "running": 0}
    assert paused.json() in (await anna.client.get("/api/queues")).json()["items"]
    opened = await root.client.put("/api/queues/slow", json={"paused": False})
    assert opened.json()["paused"] is False
