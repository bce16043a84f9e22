"""A resource copied into a version of a dataset."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from foretell.core.consistent import consistent_reading
from foretell.core.db import Database
from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.jobs.composition import Composition
from foretell.jobs.drain import run_all
from foretell.jobs.registry import TaskRegistry
from foretell.resources import snapshots
from foretell.resources.store import ResourceStore, compiled_of
from tests.resources.application import CALLERS, Served
from tests.resources.models import cities
from tests.resources.test_conformance import ITEMS
from tests.resources.test_rows import made

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run_jobs(served: Served) -> None:
    """Run what is queued, with the rights of the known callers."""

    async def principal_of(_database: Database, owner_id: str) -> Principal | None:
        return CALLERS.get(owner_id)

    @asynccontextmanager
    async def services(_database: Database) -> AsyncIterator[Parts]:
        yield served.state

    composition = Composition(
        registry=served.state.port(TaskRegistry),
        make_database=lambda: served.state.database,
        data_dir=served.state.settings.data_dir,
        principal_of=principal_of,
        services=services,
        clock=served.state.clock,
    )
    await run_all(composition, served.state.database)


async def snapshot(served: Served, path: str, **body: Any) -> dict[str, Any]:
    """Take a snapshot and answer its job."""
    answer = await served.ann.post(f"{path}/snapshot", json=body)
    assert answer.status_code == 202, answer.text
    await run_jobs(served)
    job = await served.ann.get(answer.headers["location"])
    found: dict[str, Any] = job.json()
    return found


async def test_a_snapshot_has_the_types_and_the_rows(
    resources: Served, monkeypatch: Any
) -> None:
    monkeypatch.setattr(snapshots, "PAGE_ROWS", 2)
    await resources.ann.post("/api/everything/bulk", json={"items": ITEMS})
    job = await snapshot(resources, "/api/everything", dataset="copy")
    assert job["state"] == "succeeded", job
    assert job["result"] == {"dataset": "copy", "version": 1}
    dataset = (await resources.ann.get("/api/datasets/copy")).json()
    types = {column["name"]: column["type"] for column in dataset["columns"]}
    assert types == {
        **{"id": "text", "b": "boolean", "i": "integer", "j": "integer"},
        **{"x": "float", "p": "decimal", "s": "text", "long": "text", "d": "date"},
        **{"c": "time", "t": "timestamp", "u": "text", "e": "text", "tags": "text"},
        **{"version": "integer", "created_at": "timestamp", "updated_at": "timestamp"},
    }
    assert dataset["rows"] == len(ITEMS)
    assert dataset["source"] == {"kind": "resource", "resource": "everything"}
    rows = (await resources.ann.get("/api/datasets/copy/rows?sort=id")).json()["items"]
    same = (await resources.ann.get("/api/everything?sort=id")).json()["items"]
    for row, wanted in zip(rows, same, strict=True):
        for name in ("id", "b", "i", "j", "x", "p", "s", "d", "u", "e"):
            assert row[name] == wanted[name], name
    assert rows[3]["tags"] == '{"k":[1,1.0,null,"é"]}'


async def test_a_snapshot_holds_what_its_maker_sees(resources: Served) -> None:
    customer = await made(resources.ann, "/api/customers", email="a", name="Ann")
    for client, total in ((resources.ann, 1), (resources.ann, 9), (resources.ben, 5)):
        await made(client, "/api/orders", customer_id=customer["id"], total=total)
    job = await snapshot(resources, "/api/orders", dataset="mine", where="total > 2")
    assert job["state"] == "succeeded", job
    rows = (await resources.ann.get("/api/datasets/mine/rows")).json()["items"]
    assert [row["total"] for row in rows] == ["9.00"]
    again = await snapshot(resources, "/api/orders", dataset="mine")
    assert again["result"]["version"] == 2
    hidden = await resources.ben.post("/api/orders/snapshot", json={"dataset": "mine"})
    assert hidden.status_code == 409


async def test_what_cannot_be_a_snapshot_is_refused_at_once(
    resources: Served,
) -> None:
    for body in ({"dataset": "No!"}, {"dataset": "x", "where": "nope = 1"}, {}):
        answer = await resources.ann.post("/api/orders/snapshot", json=body)
        assert answer.status_code == 422, answer.text
    body = {"dataset": "x"}
    for client, status in (
        (resources.viewer, 403),
        (resources.stranger, 403),
        (resources.nobody, 401),
    ):
        answer = await client.post("/api/orders/snapshot", json=body)
        assert answer.status_code == status
    empty = await snapshot(resources, "/api/orders", dataset="x")
    assert empty["state"] == "succeeded"
    assert (await resources.ann.get("/api/datasets/x")).json()["rows"] == 0


async def test_a_consistent_read_does_not_see_what_comes_meanwhile(
    resources: Served,
) -> None:
    await made(resources.ann, "/api/cities", name="Bern")
    async with consistent_reading(resources.state.database) as session:
        store = ResourceStore(compiled_of(cities), session)
        first = await store.find(1)
        await made(resources.ann, "/api/cities", name="Basel")
        await resources.ann.patch("/api/cities/1", json={"name": "Berne"})
        assert await store.find(1) == first
        assert await store.find(2) is None
    async with resources.state.database.reading() as session:
        assert await ResourceStore(compiled_of(cities), session).find(2) is not None
