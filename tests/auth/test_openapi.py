"""What the document says of the identity routes."""

from typing import Any

import httpx2
import pytest

PUBLIC = {
    ("post", "/token"),
    ("post", "/token/revoke"),
    ("get", "/.well-known/jwks.json"),
    ("post", "/api/session"),
    ("get", "/api/setup"),
    ("post", "/api/setup"),
    ("post", "/api/password/forgot"),
    ("post", "/api/password/reset"),
    ("post", "/api/email/confirm"),
}


@pytest.fixture
async def paths(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()["paths"]
    return found


def test_d34_every_route_needs_a_credential_but_those_that_give_one(
    paths: dict[str, Any],
) -> None:
    open_to_all = {
        (method, path)
        for path, item in paths.items()
        for method, operation in item.items()
        if not operation["security"]
    }
    assert open_to_all == PUBLIC


def test_the_forms_of_the_token_endpoint_are_documented(paths: dict[str, Any]) -> None:
    content = paths["/token"]["post"]["requestBody"]["content"]
    schema = content["application/x-www-form-urlencoded"]["schema"]
    assert {"grant_type", "username", "password"} <= set(schema["properties"])


def test_g04_no_answer_has_a_field_for_a_secret(paths: dict[str, Any]) -> None:
    for item in paths.values():
        for operation in item.values():
            assert operation["summary"]
            for response in operation["responses"].values():
                assert "hash" not in str(response)


async def test_no_response_model_names_what_is_stored(
    client: httpx2.AsyncClient,
) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    fields = {
        field
        for name, schema in schemas.items()
        if name.endswith(("Read", "Made", "Opened"))
        for field in schema.get("properties", {})
    }
    assert not fields & {"password_hash", "digest", "email_key", "token_version"}
