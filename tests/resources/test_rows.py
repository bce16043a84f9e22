"""Rows over HTTP on every database: create, read, change, delete."""

from typing import Any

import httpx2

from tests.resources.application import Served


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
