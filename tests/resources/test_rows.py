"""Rows over HTTP on every database: create, read, change, delete."""

from typing import Any

import httpx2
import pytest

from tests.resources.application import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def made(client: httpx2.AsyncClient, path: str, **values: Any) -> dict[str, Any]:
    answer = await client.post(path, json=values)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_row_is_made_and_read(resources: Served) -> None:
    ann = resources.ann
    answer = await ann.post(
        "/api/customers", json={"email": "a@x.org", "name": "Ann", "password": "p"}
    )
    assert answer.status_code == 201, answer.text
    row = answer.json()
    assert row == {
        "id": row["id"],
        "email": "a@x.org",
        "name": "Ann",
        "age": None,
        "balance": "0.00",
        "city_id": None,
        "version": 1,
        "created_at": "2026-11-24T12:00:00Z",
        "updated_at": "2026-11-24T12:00:00Z",
    }
    assert answer.headers["location"] == f"/api/customers/{row['id']}"
    assert answer.headers["etag"] == f'"{row["id"]}-1"'
    again = await ann.get(answer.headers["location"])
    assert again.content == answer.content
    assert again.headers["etag"] == answer.headers["etag"]
    listed = await ann.get("/api/customers")
    assert listed.json() == {"items": [row], "next": None, "prev": None}


async def test_a_patch_changes_what_it_holds_and_counts_the_version(
    resources: Served,
) -> None:
    row = await made(resources.ann, "/api/customers", email="a@x.org", name="Ann")
    resources.clock.advance(seconds=1.5)
    place = f"/api/customers/{row['id']}"
    changed = await resources.ann.patch(place, json={"age": 30, "balance": "12.5"})
    assert changed.status_code == 200, changed.text
    assert changed.json() == row | {
        "age": 30,
        "balance": "12.50",
        "version": 2,
        "updated_at": "2026-11-24T12:00:01.500000Z",
    }
    assert changed.headers["etag"] == f'"{row["id"]}-2"'
    nothing = await resources.ann.patch(place, json={})
    assert nothing.json() == changed.json()


async def test_columns_may_be_named_as_parameters_are(resources: Served) -> None:
    ann = resources.ann
    row = await made(ann, "/api/words", key="a", keys=1, owner="o", set_key="s")
    place, tag = f"/api/words/{row['id']}", f'"{row["id"]}-1"'
    change = {"key": "b", "keys": 2, "owner": "p", "take": 3, "set_key": "t"}
    changed = await ann.patch(place, json=change, headers={"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert changed.json().items() >= change.items()
    asked: dict[str, Any] = {"owner": "p", "key": "b", "sort": "-keys", "limit": 1}
    listed = await ann.get("/api/words", params=asked)
    assert listed.json()["items"] == [changed.json()]
    bulk = {"items": [{"key": "c", "keys": n, "after_0": n} for n in (1, 2)]}
    assert (await ann.post("/api/words/bulk", json=bulk)).status_code == 201
    tag = changed.headers["etag"]
    assert (await ann.delete(place, headers={"If-Match": tag})).status_code == 204


async def test_a_patch_of_a_version_that_is_over_is_refused(resources: Served) -> None:
    row = await made(resources.ann, "/api/customers", email="a@x.org", name="Ann")
    place, first = f"/api/customers/{row['id']}", f'"{row["id"]}-1"'
    ann = resources.ann
    match = {"If-Match": first}
    assert (await ann.patch(place, json={"age": 1}, headers=match)).status_code == 200
    stale = await ann.patch(place, json={"age": 2}, headers=match)
    assert stale.status_code == 412
    assert stale.json()["type"].endswith("/precondition-failed")
    either = {"If-Match": f'{first}, "{row["id"]}-2"'}
    assert (await ann.patch(place, json={"age": 3}, headers=either)).status_code == 200
    weak = {"If-Match": f'W/"{row["id"]}-3"'}
    assert (await ann.patch(place, json={}, headers=weak)).status_code == 412
    assert (await ann.delete(place, headers=match)).status_code == 412
    assert (await ann.delete(place, headers={"If-Match": "*"})).status_code == 204


async def test_a_deleted_row_is_gone(resources: Served) -> None:
    row = await made(resources.ann, "/api/customers", email="a@x.org", name="Ann")
    place = f"/api/customers/{row['id']}"
    answer = await resources.ann.delete(place)
    assert (answer.status_code, answer.content) == (204, b"")
    for again in (
        await resources.ann.get(place),
        await resources.ann.patch(place, json={"age": 1}),
        await resources.ann.delete(place),
    ):
        assert again.status_code == 404
        assert again.json()["type"].endswith("/row-not-found")


async def test_what_the_caller_has_is_not_sent_again(resources: Served) -> None:
    row = await made(resources.ann, "/api/customers", email="a@x.org", name="Ann")
    for path in (f"/api/customers/{row['id']}", "/api/customers"):
        first = await resources.ann.get(path)
        headers = {"If-None-Match": f'"x", W/{first.headers["etag"]}'}
        second = await resources.ann.get(path, headers=headers)
        assert (second.status_code, second.content) == (304, b"")
        await resources.ann.patch(f"/api/customers/{row['id']}", json={"age": 5})
        assert (await resources.ann.get(path, headers=headers)).status_code == 200


async def test_a_taken_value_is_named(resources: Served) -> None:
    await made(resources.ann, "/api/customers", email="a@x.org", name="Ann")
    second = {"email": "a@x.org", "name": "Ben"}
    answer = await resources.ann.post("/api/customers", json=second)
    assert answer.status_code == 409
    assert answer.json()["columns"] == ["email"]
    assert answer.json()["errors"][0]["pointer"] == "/email"
    ben = await made(resources.ann, "/api/customers", email="b@x.org", name="Ben")
    place = f"/api/customers/{ben['id']}"
    changed = await resources.ann.patch(place, json={"email": "a@x.org"})
    assert changed.status_code == 409
    twice = {"id": "one"}
    await made(resources.ann, "/api/everything", **twice)
    same = await resources.ann.post("/api/everything", json=twice)
    assert (same.status_code, same.json()["columns"]) == (409, ["id"])


async def test_a_reference_to_no_row_is_named(resources: Served) -> None:
    body = {"email": "a@x.org", "name": "Ann", "city_id": 7}
    answer = await resources.ann.post("/api/customers", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "pointer": "/city_id",
            "message": "names no row of cities",
            "code": "reference_missing",
        }
    ]
    row = await made(resources.ann, "/api/customers", email="a@x.org", name="Ann")
    place = f"/api/customers/{row['id']}"
    assert (await resources.ann.patch(place, json={"city_id": 7})).status_code == 422


async def test_a_row_that_others_refer_to_stays(resources: Served) -> None:
    city = await made(resources.ann, "/api/cities", name="Bern")
    await made(
        resources.ann, "/api/customers", email="a@x.org", name="A", city_id=city["id"]
    )
    answer = await resources.ann.delete(f"/api/cities/{city['id']}")
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/row-referenced")


async def test_a_check_of_the_table_refuses(resources: Served) -> None:
    answer = await resources.ann.post("/api/everything", json={"id": "x", "i": 13})
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/row-refused")


async def test_every_kind_of_value_comes_back_as_it_went(resources: Served) -> None:
    values = {
        "id": "all",
        "b": True,
        "i": 2**63 - 1,
        "j": -(2**63),
        "x": 0.1,
        "p": "-12345678901.2345",
        "s": "Zoë ' \" \\ % _ \u2003\U0001f600",
        "long": "x" * 70_000,
        "d": "2024-02-29",
        "c": "23:59:59.000001",
        "t": "1999-12-31T23:59:59.999999Z",
        "u": "01939f2c-7d1e-7c3a-9b3f-2f8d1c5e6a70",
        "e": "dark-green",
        "tags": {"a": [1, 2.5, None, "ß"], "b": {"c": True}},
    }
    row = await made(resources.ann, "/api/everything", **values)
    assert {name: row[name] for name in values} == values
    empty = await made(resources.ann, "/api/everything", id="none")
    assert {empty[name] for name in values if name != "id"} == {None} or all(
        empty[name] is None for name in values if name != "id"
    )


async def test_keys_of_other_types(resources: Served) -> None:
    first = await made(resources.ann, "/api/cities", name="Bern")
    second = await made(resources.ann, "/api/cities", name="Basel")
    assert second["id"] == first["id"] + 1
    gadget = await made(resources.ann, "/api/gadgets", label="x")
    found = await resources.ann.get(f"/api/gadgets/{gadget['id']}")
    assert found.json() == gadget
    for path in ("/api/gadgets/none", "/api/cities/x", f"/api/cities/{2**63}"):
        assert (await resources.ann.get(path)).status_code == 422


async def test_a_padded_key_is_another_key(resources: Served) -> None:
    await made(resources.ann, "/api/everything", id="one")
    assert (await resources.ann.get("/api/everything/one%20")).status_code == 404


async def test_a_bulk_makes_all_rows_in_order(resources: Served) -> None:
    items = [{"email": f"{n}@x.org", "name": f"{n}"} for n in range(50)]
    answer = await resources.ann.post("/api/customers/bulk", json={"items": items})
    assert answer.status_code == 201, answer.text
    rows = answer.json()["items"]
    assert [row["email"] for row in rows] == [item["email"] for item in items]
    listed = await resources.ann.get(answer.headers["location"])
    assert listed.json()["items"] == rows
    towns = {"items": [{"name": "A"}, {"name": "B"}]}
    counted = await resources.ann.post("/api/cities/bulk", json=towns)
    assert [row["id"] for row in counted.json()["items"]] == [1, 2]
    again = await resources.ann.get(counted.headers["location"])
    assert again.json() == counted.json()


async def test_a_bulk_makes_all_rows_or_none(resources: Served) -> None:
    items = [{"email": f"{n}@x.org", "name": "x"} for n in range(5)]
    wrong = [*items[:3], {"email": 3, "name": "x"}]
    refused = await resources.ann.post("/api/customers/bulk", json={"items": wrong})
    assert refused.json()["errors"][0]["pointer"] == "/items/3/email"
    twice = {"items": [*items, items[2]]}
    answer = await resources.ann.post("/api/customers/bulk", json=twice)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/items/5/email"
    lost = {"items": [*items, {"email": "z@x.org", "name": "z", "city_id": 9}]}
    missing = await resources.ann.post("/api/customers/bulk", json=lost)
    assert missing.json()["errors"][0]["pointer"] == "/items/5/city_id"
    assert (await resources.ann.get("/api/customers")).json()["items"] == []


async def test_a_key_makes_a_post_happen_once(resources: Served) -> None:
    key = {"Idempotency-Key": "k1"}
    body = {"email": "a@x.org", "name": "Ann"}
    first, second = [
        await resources.ann.post("/api/customers", json=body, headers=key)
        for _ in range(2)
    ]
    assert (second.status_code, second.json()) == (201, first.json())
    items = {"items": [{"email": "b@x.org", "name": "B"}, {"email": "c", "name": "C"}]}
    one, two = [
        await resources.ann.post("/api/customers/bulk", json=items, headers=key)
        for _ in range(2)
    ]
    assert (two.status_code, two.json()) == (201, one.json())
    other = await resources.ann.post(
        "/api/customers", json=body | {"age": 1}, headers=key
    )
    assert other.status_code == 422
