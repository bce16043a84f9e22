"""The fast path: it answers what is usual, and gives back the rest unharmed."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy import text

from foretell.core.direct import DirectPool
from tests.databases import throw_away
from tests.resources.application import Served, served
from tests.resources.doors import RoutesOnly, said
from tests.resources.test_rows import made


@pytest.fixture
def postgresql() -> Iterator[str]:
    with throw_away("postgresql") as url:
        yield url


@pytest.fixture
async def fast(tmp_path: Path, postgresql: str) -> AsyncIterator[Served]:
    """The test resources with the fast path in front."""
    async with served(tmp_path, postgresql, is_fast=True) as running:
        yield running


@contextlib.contextmanager
def sent(running: Served) -> Iterator[list[str]]:
    """The statements that the fast path sends, and `routes` for each request that it
    leaves to the routes."""
    seen: list[str] = []
    pool, app = running.state.port(DirectPool), running.app
    observe, handle = pool.observe, app.handle

    async def noted(*call: Any) -> None:
        seen.append("routes")
        await handle(*call)

    pool.observe = lambda statement, *_: seen.append(statement)
    app.handle = noted  # type: ignore[method-assign, assignment]
    try:
        yield seen
    finally:
        pool.observe, app.handle = observe, handle  # type: ignore[method-assign]


def client(running: Served, door: Any, caller: str = "ann") -> httpx2.AsyncClient:
    """A caller at one door."""
    headers = {"Authorization": f"Bearer {caller}", "Accept-Encoding": "identity"}
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=door),
        base_url="http://testserver",
        headers=headers,
    )


CUSTOMER = {"email": "a@x.org", "name": "Ann", "balance": "12.50"}


async def test_usual_requests_are_one_statement_and_no_route(fast: Served) -> None:
    row = await made(fast.ann, "/api/customers", **CUSTOMER)
    place = f"/api/customers/{row['id']}"
    await made(fast.ann, "/api/cities", name="Bern")
    await made(fast.ann, "/api/orders", customer_id=row["id"], total="1.00")
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/api/customers?email=a@x.org&limit=20", None),
        ("GET", "/api/customers?where=age IS NULL&sort=-name", None),
        ("GET", place, None),
        ("GET", f"{place}?expand=orders,city", None),
        ("POST", "/api/customers", CUSTOMER | {"email": "b@x.org"}),
        ("PATCH", place, {"name": "Anna"}),
        ("POST", "/api/customers/bulk", {"items": [CUSTOMER | {"email": "c@x.org"}]}),
        ("POST", "/api/gadgets", {"label": "g"}),
        ("DELETE", "/api/cities/1", None),
    ]
    async with client(fast, fast.app) as ann:
        for method, path, body in calls:
            with sent(fast) as seen:
                answer = await ann.request(method, path, json=body)
            assert answer.is_success, answer.text
            assert len(seen) == 1, (path, seen)
            assert seen != ["routes"], path


async def test_what_cannot_be_is_said_by_the_routes(fast: Served) -> None:
    row = await made(fast.ann, "/api/customers", **CUSTOMER)
    place = f"/api/customers/{row['id']}"
    calls: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", "/api/customers/unknown", None, {}),
        ("GET", "/api/customers?limit=0", None, {}),
        ("GET", "/api/customers?limit=1&limit=", None, {}),
        ("GET", "/api/customers?nope=1", None, {}),
        ("GET", "/api/customers?where=nope > 1", None, {}),
        ("GET", "/api/customers?cursor=abc", None, {}),
        ("GET", f"{place}?expand=nope", None, {}),
        ("POST", "/api/customers", CUSTOMER, {}),
        ("POST", "/api/customers", CUSTOMER | {"nope": 1}, {}),
        ("POST", "/api/customers", CUSTOMER | {"age": "12"}, {}),
        ("POST", "/api/customers", CUSTOMER | {"name": "\x00"}, {}),
        ("POST", "/api/customers", CUSTOMER | {"balance": "1.234"}, {}),
        ("POST", "/api/customers/bulk", {"items": []}, {}),
        ("POST", "/api/customers/bulk", {"items": [CUSTOMER, CUSTOMER]}, {}),
        ("PATCH", place, {"name": "B"}, {"If-Match": f'"{row["id"]}-7"'}),
        ("PATCH", place, {"name": None}, {}),
        ("PATCH", place, {"city_id": 99}, {}),
        ("PATCH", "/api/customers/unknown", {"name": "B"}, {}),
        ("DELETE", "/api/customers/unknown", None, {}),
        ("POST", "/api/customers/unknown", {}, {}),
    ]
    routes = client(fast, RoutesOnly(fast.app))
    async with client(fast, fast.app) as ann, routes as wanted:
        for method, path, body, headers in calls:
            answer = await ann.request(method, path, json=body, headers=headers)
            same = await wanted.request(method, path, json=body, headers=headers)
            assert said(answer) == said(same), (method, path, body)
            assert answer.is_client_error, (method, path, body)
        unchanged = await ann.get(place)
    assert unchanged.json() == row


async def test_callers_are_refused_as_by_the_routes(fast: Served) -> None:
    for caller in ("nobody-known", "viewer", "stranger"):
        first = client(fast, fast.app, caller)
        second = client(fast, RoutesOnly(fast.app), caller)
        async with first, second:
            for path in ("/api/customers", "/api/orders", "/api/notes"):
                assert said(await first.get(path)) == said(await second.get(path))
                answers = [await c.post(path, json={}) for c in (first, second)]
                assert said(answers[0]) == said(answers[1])
                assert answers[0].is_client_error


async def test_written_rows_are_those_that_the_routes_write(fast: Served) -> None:
    bodies: list[dict[str, Any]] = [
        {"id": "{}1", "x": 1e300, "p": "-0.5", "c": "08:09:10.5", "b": True},
        {"id": "{}2", "x": -5, "p": 12, "c": "08:09:10", "t": "2026-01-31T12:30:00Z"},
        {"id": "{}3", "s": 'é"\\ 🎉', "d": "2024-02-29", "e": "dark-green"},
        {"id": "{}4", "t": "1999-12-31T23:59:59.000001+05:30", "tags": {"a": [1.0]}},
        {"id": "{}5", "u": "01939F2C-7D1E-7C3A-9B3F-2F8D1C5E6A70", "i": -(2**63)},
        {"id": "{}6"},
    ]
    doors = {"f": fast.app, "r": RoutesOnly(fast.app)}
    for body in bodies:
        found = {}
        for letter, door in doors.items():
            mine = body | {"id": body["id"].format(letter)}
            async with client(fast, door) as ann:
                answer = await ann.post("/api/everything", json=mine)
                many = [{**body, "id": f"{mine['id']}{n}"} for n in range(3)]
                bulk = await ann.post("/api/everything/bulk", json={"items": many})
            assert answer.status_code == bulk.status_code == 201, answer.text
            found[letter] = [
                r.content.replace(f'"id":"{letter}'.encode(), b'"id":"')
                for r in (answer, bulk)
            ]
        assert found["f"] == found["r"]


async def test_a_read_survives_the_end_of_its_connection(fast: Served) -> None:
    row = await made(fast.ann, "/api/customers", **CUSTOMER)
    await end_connections(fast)
    with sent(fast) as seen:
        answer = await client(fast, fast.app).get(f"/api/customers/{row['id']}")
    assert answer.json() == row
    assert "routes" not in seen


async def test_last_words_that_arrive_before_the_end_are_understood(
    fast: Served,
) -> None:
    """asyncpg refuses each statement then, with an error of its inner state."""
    row = await made(fast.ann, "/api/customers", **CUSTOMER)
    ending = threading.Thread(target=asyncio.run, args=(end_connections(fast),))
    ending.start()
    ending.join(timeout=30)  # meanwhile nothing of the connection is looked at
    for _ in range(3):
        await asyncio.sleep(0)
    answer = await client(fast, fast.app).get(f"/api/customers/{row['id']}")
    assert answer.json() == row


async def test_a_write_under_which_the_connection_ends_is_not_repeated(
    fast: Served,
) -> None:
    row = await made(fast.ann, "/api/customers", **CUSTOMER)
    async with fast.state.database.engine.begin() as holder:
        lock = text("SELECT 1 FROM customers WHERE id = :id FOR UPDATE")
        await holder.execute(lock, {"id": row["id"]})
        async with client(fast, fast.app) as ann:
            writing = asyncio.create_task(
                ann.patch(f"/api/customers/{row['id']}", json={"name": "B"})
            )
            await blocked(fast)
            await end_connections(fast)
            answer = await writing
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("/database-unavailable")
    assert answer.headers["retry-after"]
    again = await client(fast, fast.app).get(f"/api/customers/{row['id']}")
    assert again.json() == row


async def test_a_busy_pool_answers_503_in_time(fast: Served) -> None:
    gate = fast.state.port(DirectPool).gate
    gate._wait_seconds = 0.05
    places = gate.size
    for _ in range(places):
        await gate.acquire()
    try:
        answer = await client(fast, fast.app).get("/api/customers")
    finally:
        for _ in range(places):
            gate.release()
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("/database-busy")
    assert answer.headers["retry-after"]


async def test_a_cancelled_request_leaves_nothing_taken(fast: Served) -> None:
    row = await made(fast.ann, "/api/customers", **CUSTOMER)
    async with fast.state.database.engine.begin() as holder:
        lock = text("SELECT 1 FROM customers WHERE id = :id FOR UPDATE")
        await holder.execute(lock, {"id": row["id"]})
        async with client(fast, fast.app) as ann:
            writing = asyncio.create_task(
                ann.patch(f"/api/customers/{row['id']}", json={"name": "B"})
            )
            await blocked(fast)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
    assert fast.state.port(DirectPool).gate.taken == 0
    again = await client(fast, fast.app).get(f"/api/customers/{row['id']}")
    assert again.status_code == 200


async def test_prepared_statements_survive_a_migration(fast: Served) -> None:
    row = await made(fast.ann, "/api/customers", **CUSTOMER)
    place = f"/api/customers/{row['id']}"
    async with client(fast, fast.app) as ann:
        assert (await ann.get(place)).json() == row
        async with fast.state.database.engine.begin() as connection:
            for change in (
                "ALTER TABLE customers ALTER COLUMN name TYPE varchar(80)",
                "ALTER TABLE customers ADD COLUMN later text",
            ):
                await connection.execute(text(change))
        with sent(fast) as seen:
            assert (await ann.get(place)).json() == row
    assert len(seen) == 1


async def test_a_large_page_is_compressed_as_by_the_routes(fast: Served) -> None:
    items = [CUSTOMER | {"email": f"{n}@x.org"} for n in range(50)]
    await fast.ann.post("/api/customers/bulk", json={"items": items})
    headers = {"Authorization": "Bearer ann", "Accept-Encoding": "gzip"}
    answers = []
    for door in (fast.app, RoutesOnly(fast.app)):
        transport = httpx2.ASGITransport(app=door)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://testserver", headers=headers
        ) as caller:
            answers.append(await caller.get("/api/customers?limit=50"))
    assert {a.headers["content-encoding"] for a in answers} == {"gzip"}
    assert {a.headers["vary"] for a in answers} == {"Accept-Encoding"}
    assert answers[0].content == answers[1].content


async def blocked(running: Served) -> None:
    """Return when a statement waits for a lock."""
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    async with asyncio.timeout(20):
        while True:
            async with running.state.database.reading() as session:
                if await session.scalar(waits):
                    return
            await asyncio.sleep(0)


async def end_connections(running: Served) -> None:
    """End the connections of the fast path, as a restart of the server would."""
    url = running.state.database.engine.url.set(drivername="postgresql")
    administrator = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE '%customers%'"
            " AND state <> 'idle in transaction' AND pid <> pg_backend_pid()"
        )
    finally:
        await administrator.close()
