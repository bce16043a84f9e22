"""Related rows nested in answers: which, how many, and for whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from foretell.core.direct import DirectPool
from tests.resources.application import Served
from tests.resources.conftest import Door
from tests.resources.test_rows import made

pytestmark = pytest.mark.asyncio(loop_scope="session")


@contextmanager
def statements(served: Served) -> Iterator[list[str]]:
    """The statements that the block sends through SQLAlchemy, but for BEGIN and the
    application's own."""
    seen: list[str] = []
    background = ("BEGIN", "SELECT models_epoch")

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(background):
            seen.append(statement)

    engines = {
        id(maker.kw["bind"].sync_engine): maker.kw["bind"].sync_engine
        for maker in (served.state.database._readers, served.state.database._writers)
    }
    for engine in engines.values():
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for engine in engines.values():
            event.remove(engine, "before_cursor_execute", note)


async def fill(served: Served, customers: int, orders: int) -> list[dict[str, Any]]:
    city = await made(served.ann, "/api/cities", name="Bern")
    items = [
        {
            "email": f"{n:04}@x.org",
            "name": f"{n}",
            "age": n,
            "city_id": city["id"] if n % 2 else None,
        }
        for n in range(customers)
    ]
    rows: list[dict[str, Any]] = []
    for start in range(0, customers, 500):
        answer = await served.ann.post(
            "/api/customers/bulk", json={"items": items[start : start + 500]}
        )
        assert answer.status_code == 201, answer.text
        rows += answer.json()["items"]
    for row in rows[:5]:
        many = [
            {"customer_id": row["id"], "total": n, "note": f"{n}"}
            for n in range(orders)
        ]
        for client in (served.ann, served.ben):
            await client.post("/api/orders/bulk", json={"items": many})
    return rows


async def test_relations_are_nested(resources: Served) -> None:
    rows = await fill(resources, 4, 2)
    place = f"/api/customers/{rows[1]['id']}"
    answer = await resources.ann.get(place, params={"expand": "orders,city"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert {name: body[name] for name in rows[1]} == rows[1]
    assert list(body)[-2:] == ["orders", "city"]
    assert body["city"]["name"] == "Bern"
    # Orders are their owner's; to Ann those of Ben do not exist.
    assert [(o["note"], o["owner_id"]) for o in body["orders"]] == [
        ("0", "ann"),
        ("1", "ann"),
    ]
    assert body["orders"][0]["total"] == "0.00"
    listed = await resources.ann.get("/api/customers", params={"expand": "city"})
    assert [row["city"] and row["city"]["name"] for row in listed.json()["items"]] == [
        None,
        "Bern",
        None,
        "Bern",
    ]


async def test_a_relation_nests_so_many_rows_and_no_more(resources: Served) -> None:
    rows = await fill(resources, 2, 5)
    listed = await resources.ann.get("/api/customers", params={"expand": "orders"})
    for row in listed.json()["items"]:
        assert [order["note"] for order in row["orders"]] == ["0", "1", "2"]
    everyone = await resources.admin.get(
        f"/api/customers/{rows[0]['id']}", params={"expand": "orders"}
    )
    assert len(everyone.json()["orders"]) == 3


async def test_relations_of_relations_are_nested(resources: Served) -> None:
    await fill(resources, 4, 2)
    answer = await resources.ann.get("/api/cities/1?expand=customers.orders")
    customers = answer.json()["customers"]
    assert [row["age"] for row in customers] == [1, 3]
    assert [len(row["orders"]) for row in customers] == [2, 2]
    order = await resources.ann.get("/api/orders?expand=customer.city&limit=1")
    assert order.json()["items"][0]["customer"]["city"] is None
    deep = await resources.ann.get("/api/cities?expand=customers.orders.customer")
    assert deep.status_code == 422


async def test_an_unknown_relation_is_told_those_there_are(resources: Served) -> None:
    answer = await resources.ann.get("/api/customers?expand=nope")
    assert answer.status_code == 422
    assert answer.json()["relations"] == ["city", "orders"]
    assert answer.json()["errors"][0]["pointer"] == "/query/expand"


async def test_the_scope_of_the_relation_counts(resources: Served) -> None:
    await fill(resources, 2, 1)
    answer = await resources.stranger.get("/api/customers?expand=orders")
    assert answer.status_code == 403
    assert answer.json()["scope"] == "orders:read"


async def test_a_nested_answer_has_a_tag_of_its_own(resources: Served) -> None:
    rows = await fill(resources, 1, 1)
    place = f"/api/customers/{rows[0]['id']}?expand=orders"
    first = await resources.ann.get(place)
    known = {"If-None-Match": first.headers["etag"]}
    assert (await resources.ann.get(place, headers=known)).status_code == 304
    order = first.json()["orders"][0]
    await resources.ann.patch(f"/api/orders/{order['id']}", json={"note": "new"})
    assert (await resources.ann.get(place, headers=known)).status_code == 200
    match = {"If-Match": first.headers["etag"]}
    changed = await resources.ann.patch(
        f"/api/customers/{rows[0]['id']}", json={"age": 9}, headers=match
    )
    assert changed.status_code == 200


async def test_each_route_costs_the_same_for_ten_rows_and_for_a_thousand(
    resources: Served, door: Door
) -> None:
    if DirectPool in resources.state.ports:
        pytest.skip("test_fast_path counts the statements of the fast path")
    rows = await fill(resources, 1_000, 1)
    place = f"/api/customers/{rows[0]['id']}"
    costs: dict[str, int] = {
        "/api/customers?limit=10": 1,
        "/api/customers?limit=1000": 1,
        "/api/customers?limit=10&expand=orders,city": 3,
        "/api/customers?limit=1000&expand=orders,city": 3,
        "/api/customers?where=age > 5&sort=-name&age=7": 1,
        place: 1,
        f"{place}?expand=orders": 2,
    }
    for path, cost in costs.items():
        with statements(resources) as seen:
            answer = await resources.ann.get(path)
            assert answer.status_code == 200, answer.text
        # With the fast path in front, each GET goes through the routes as well.
        times = 2 if door.is_fast else 1
        assert len(seen) == cost * times, (path, [one[:300] for one in seen])
    returns = resources.state.database.engine.dialect.update_returning
    ann = resources.ann
    for method, path, body, cost in (
        ("POST", "/api/cities", {"name": "B"}, 1),
        ("PATCH", place, {"age": 3}, 1 if returns else 2),
        ("POST", "/api/customers/bulk", _bulk(10), 1),
        ("POST", "/api/customers/bulk", _bulk(1_000), 1),
    ):
        with statements(resources) as seen:
            answer = await ann.request(method, path, json=body)
            assert answer.is_success, answer.text
        assert len(seen) == cost, [statement[:80] for statement in seen]


def _bulk(count: int) -> dict[str, Any]:
    names = [f"{count}-{n}" for n in range(count)]
    return {"items": [{"email": name, "name": name} for name in names]}
