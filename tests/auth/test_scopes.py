"""Every operation of the area with every scope but its own: 403 (F02)."""

import re

import httpx2
import pytest

from foretell.auth.identity import Identity
from foretell.core.principal import Role, Scope
from tests.auth.conftest import Connect, add_user, sign_in


@pytest.fixture
async def operations(client: httpx2.AsyncClient) -> list[tuple[str, str, list[str]]]:
    """Method, path and scopes of each operation that needs some."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    return [
        (method, path, operation["security"][0]["oauth2"])
        for path, item in paths.items()
        for method, operation in item.items()
        if operation["security"] and operation["security"][0]["oauth2"]
    ]


async def test_f02_g05_only_the_right_scope_opens_an_operation(
    identity: Identity,
    connect: Connect,
    operations: list[tuple[str, str, list[str]]],
) -> None:
    await add_user(identity, role=Role.ADMIN)
    admin = connect(token=(await sign_in(connect()))["access_token"])
    callers = {}
    for scope in Scope:
        body = {"name": "k", "scopes": [str(scope)]}
        key = (await admin.post("/api/keys", json=body)).json()["key"]
        callers[str(scope)] = connect(token=key)
    identity.options = type(identity.options)(address="http://testserver")
    assert len(operations) >= 10
    for method, path, needed in operations:
        url = re.sub(r"\{\w+\}", "0", path)
        for given, caller in callers.items():
            # Bodies are empty: scopes are looked at before them.
            answer = await caller.request(method, url)
            is_refused = answer.status_code == 403
            assert is_refused == (given not in needed), (method, path, given)


async def test_g10_no_header_makes_one_method_another(
    identity: Identity, connect: Connect
) -> None:
    user = await add_user(identity)
    ann = connect(token=(await sign_in(connect()))["access_token"])
    for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        answer = await ann.post(
            f"/api/users/{user.id}", json={"role": "admin"}, headers={name: "PATCH"}
        )
        assert answer.status_code == 405
    assert (await ann.get("/api/me")).json()["role"] == "viewer"
