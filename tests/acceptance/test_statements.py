"""No route asks the database more often because there is more in it."""

from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from foretell.core.clock import FakeClock
from foretell.testing.people import SignIn
from tests.acceptance.counting import Statements, counted, watch
from tests.acceptance.inprocess import running
from tests.acceptance.multiplying import EMAIL, Originals, make_originals, multiply

FEW, MANY = 10, 1000
MOST_STATEMENTS = 5
# A stream without an end of its own.
ENDLESS = "/api/events"
# Asks its parts at the same time, each on a connection of its own.
READINESS = ("/readyz", "/v2/health/ready")
LISTS = {
    "/api/users",
    "/api/keys",
    "/api/audit",
    "/api/jobs",
    "/api/datasets",
    "/api/datasets/{name}/versions",
    "/api/datasets/{name}/rows",
    "/api/models",
    "/api/schedules",
    "/api/connections",
    "/api/recipes",
    "/api/recipes/{recipe}/versions",
    "/api/feature-sets",
    "/api/feature-sets/{feature_set}/versions",
    "/api/models/{model}/versions",
    "/api/models/{model}/aliases/{alias}",
}


def gets(app: FastAPI) -> dict[str, Any]:
    """The GET operations of the document by path, extensions' too."""
    document = app.openapi()
    return {
        path: item["get"]
        for path, item in document["paths"].items()
        if "get" in item and path != ENDLESS
    }


def address(path: str, operation: Any, originals: Originals) -> str:
    """A path with names filled in, that asks for as much as it can."""
    names = {
        "user_id": originals.user,
        "key_id": originals.key,
        "job_id": originals.job,
        "name": originals.dataset,
        "recipe": originals.dataset,
        "feature_set": originals.dataset,
        "model": originals.model,
        "version": "1",
        "alias": "champion",
    }
    for name, value in names.items():
        path = path.replace("{" + name + "}", value)
    assert "{" not in path, f"no object for {path}"
    query = {parameter["name"] for parameter in operation.get("parameters", ())}
    return f"{path}?limit={MANY}" if "limit" in query else path


async def measured(
    client: httpx2.AsyncClient, app: FastAPI, originals: Originals
) -> dict[str, tuple[Statements, httpx2.Response]]:
    found = {}
    for path, operation in gets(app).items():
        url = address(path, operation, originals)
        await client.get(url)  # what is remembered afterwards is not counted
        with counted() as statements:
            answer = await client.get(url)
        assert answer.status_code in (200, 503), (path, answer.text)
        found[path] = (statements, answer)
    return found


def grown(few: Any, many: Any) -> dict[str, Any]:
    """The routes that ran another number of statements, and what they ran."""
    return {
        path: [text for text, _ in many[path][0].texts]
        for path in few
        if len(few[path][0].texts) != len(many[path][0].texts)
    }


@pytest.mark.slow
async def test_the_statements_of_a_route_do_not_grow_with_the_rows(tmp_path):
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(tmp_path, clock=FakeClock()))
        database = app.state.foretell.database
        watch(database)
        client = await SignIn(app, stack)("admin", email=EMAIL)
        results = []
        for count in (FEW, MANY):
            originals = await make_originals(app, client, count)
            await multiply(database, originals, count)
            results.append(await measured(client, app, originals))
    few, many = results
    assert not grown(few, many)
    for path in LISTS:
        body = many[path][1].json()
        items = body.get("items", body.get("history"))
        assert len(items) == MANY, path
    for path, (statements, _) in many.items():
        if path not in READINESS:
            assert len(statements.texts) <= MOST_STATEMENTS, path
            assert statements.most <= 1, f"{path} holds two connections at once"
