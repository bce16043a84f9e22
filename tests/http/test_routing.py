"""Caller, scope, size, body: refused in that order, before the body is read."""

import pytest

from foretell.http.routing import RouteWithoutScope, router
from tests.http.conftest import made

ADMIN = {"Authorization": "Bearer admin"}
VIEWER = {"Authorization": "Bearer viewer"}


def test_a_route_without_a_scope_cannot_be_registered():
    routes = router("/api/open")

    async def handler() -> None: ...

    with pytest.raises(RouteWithoutScope):
        routes.get("/door")(handler)


async def test_refusals_come_in_the_order_of_the_contract(client):
    broken = {"content": b"{" * 2_000_000}
    url = "/api/things"
    assert (await client.post(url, **broken)).status_code == 401
    assert (await client.post(url, headers=VIEWER, **broken)).status_code == 403
    assert (await client.post(url, headers=ADMIN, **broken)).status_code == 413
    short = await client.post(
        url, headers={**ADMIN, "Content-Type": "application/json"}, content=b"{"
    )
    assert short.status_code == 422


async def test_the_challenge_follows_rfc_6750(client):
    none = await client.post("/api/things", json={})
    assert none.headers["www-authenticate"] == 'Bearer realm="foretell"'
    nobody = {"Authorization": "Bearer nobody"}
    bad = await client.get("/api/things/x", headers=nobody)
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    scope = await client.post("/api/things", json={}, headers=VIEWER)
    assert 'scope="datasets:write"' in scope.headers["www-authenticate"]


async def test_a_credential_that_does_not_count_does_not_close_public_routes(client):
    nobody = {"Authorization": "Bearer nobody"}
    assert (await client.get("/healthz", headers=nobody)).status_code == 200


async def test_a_body_without_announced_length_is_counted(client):
    async def chunks():
        for _ in range(4):
            yield b"12345"

    answer = await client.post("/api/things/raw/body", content=chunks(), headers=ADMIN)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_wrong_fields_are_named_and_never_echoed(client):
    body = {"name": "TopSecret1 X", "size": "many", "is_admin": True}
    answer = await client.post("/api/things", json=body, headers=ADMIN)
    assert answer.status_code == 422
    assert {e["pointer"] for e in answer.json()["errors"]} == {
        "/name",
        "/size",
        "/is_admin",
    }
    assert "TopSecret1" not in answer.text


async def test_an_idempotency_key_makes_one_thing(client):
    headers = {**ADMIN, "Idempotency-Key": "key-1"}
    first = await client.post("/api/things", json={"name": "one"}, headers=headers)
    again = await client.post("/api/things", json={"name": "one"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert made == ["one"]
    other = await client.post("/api/things", json={"name": "two"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-key-reused")


async def test_a_key_belongs_to_one_route_and_a_failed_request_frees_it(client):
    headers = {**ADMIN, "Idempotency-Key": "key-2"}
    taken = await client.post("/api/things", json={"name": "taken"}, headers=headers)
    assert taken.status_code == 409
    free = await client.post("/api/things", json={"name": "free"}, headers=headers)
    assert free.status_code == 201
