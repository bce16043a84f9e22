"""Accounts over HTTP."""

import asyncio
from dataclasses import replace

import httpx2
import pytest

from foretell.auth.identity import Identity
from foretell.auth.keys import NewKey
from foretell.auth.service import NewUser, cli_principal
from foretell.core.clock import FakeClock
from foretell.core.principal import Role
from tests.auth.conftest import (
    PASSWORD,
    Connect,
    add_user,
    principal_of,
    sign_in,
)

Client = httpx2.AsyncClient
BOB = {"email": "bob@x.org", "password": PASSWORD, "name": "Bob"}


@pytest.fixture
def closed(identity: Identity) -> None:
    """Sign-up as it is unless somebody opens it."""
    identity.options = replace(identity.options, is_signup_open=False)


async def test_an_admin_makes_a_user(admin: Client) -> None:
    made = await admin.post("/api/users", json=BOB | {"role": "editor"})
    assert made.status_code == 201
    body = made.json()
    assert set(body) == {"id", "email", "name", "role", "disabled", "created_at"}
    assert (body["email"], body["role"]) == ("bob@x.org", "editor")
    assert made.headers["location"] == f"/api/users/{body['id']}"
    found = await admin.get(made.headers["location"])
    assert found.json() == body
    assert PASSWORD not in found.text


async def test_d15_d18_an_email_is_taken_in_any_case(admin: Client) -> None:
    await admin.post("/api/users", json=BOB)
    again = await admin.post("/api/users", json=BOB | {"email": "BOB@X.org"})
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["type"].endswith("/email-taken")


async def test_d16_of_eight_at_once_one_is_201_and_seven_are_409(
    admin: Client,
) -> None:
    tries = [admin.post("/api/users", json=BOB) for _ in range(8)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*tries))
    assert statuses == [201] + [409] * 7


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"password": ""}, "/password"),
        ({"password": "short"}, "/password"),
        ({"password": "password123"}, "/password"),
        ({"password": "x" * 1025}, "/password"),
        ({"password": "nul\x00" * 3}, "/password"),
        ({"password": None}, "/password"),
        ({"name": ""}, "/name"),
        ({"name": "   "}, "/name"),
        ({"name": "nul\x00"}, "/name"),
        ({"name": "n" * 300}, "/name"),
        ({"email": "bob"}, "/email"),
        ({"email": "b" * 2000}, "/email"),
        ({"role": "root"}, "/role"),
        ({"is_admin": True}, "/is_admin"),
        ({"id": "1"}, "/id"),
        ({"disabled": False}, "/disabled"),
    ],
)
async def test_d21_d25_g03_wrong_fields_are_422_and_pointed_at(
    admin: Client, change: dict[str, object], pointer: str
) -> None:
    answer = await admin.post("/api/users", json=BOB | change)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_d22_half_a_character_is_422(admin: Client) -> None:
    for field in ("name", "email", "password"):
        body = b'{"email": "b@x.org", "password": "%s", "name": "Bob"}'
        body = body.replace(b"%s", PASSWORD.encode())
        values = {"name": b"Bob", "email": b"b@x.org", "password": PASSWORD.encode()}
        odd = body.replace(values[field] + b'"', values[field] + b'\\ud800"')
        answer = await admin.post(
            "/api/users", content=odd, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert answer.json()["errors"]


async def test_d19_passwords_of_any_bytes_are_taken(admin: Client) -> None:
    for n, password in enumerate(["a1!" * 24 + "z", "密" * 25, "ñ" * 8, "x y z w 5"]):
        body = BOB | {"email": f"u{n}@x.org", "password": password}
        assert (await admin.post("/api/users", json=body)).status_code == 201
        assert await sign_in(admin, f"u{n}@x.org", password)


async def test_d23_a_password_is_never_echoed(admin: Client) -> None:
    for body in (
        {"email": "b@x.org", "password": "TopSecret1"},
        BOB | {"password": ["TopSecret1"]},
        BOB | {"password": "TopSec\x00ret1"},
        {"TopSecret1": 1},
        ["TopSecret1"],
    ):
        answer = await admin.post("/api/users", json=body)
        assert answer.status_code == 422
        assert "TopSec" not in answer.text or body == {"TopSecret1": 1}


async def test_d24_a_name_of_5_mb_is_refused(admin: Client) -> None:
    answer = await admin.post("/api/users", json=BOB | {"name": "x" * 5_000_000})
    assert answer.status_code == 413


async def test_d26_accounts_are_read_in_pages(
    identity: Identity, admin: Client
) -> None:
    for n in range(5):
        await add_user(identity, f"u{n}@x.org")
    seen, url = [], "/api/users?limit=2"
    while url:
        page = await admin.get(url)
        seen += [user["email"] for user in page.json()["items"]]
        url = page.links["next"]["url"] if "next" in page.links else ""
        assert (page.json()["next"] is None) == (not url)
    assert seen == ["root@x.org", *(f"u{n}@x.org" for n in range(5))]
    assert (await admin.get("/api/users?cursor=forged")).status_code == 422
    assert (await admin.get("/api/users?limit=0")).status_code == 422


@pytest.mark.usefixtures("closed")
async def test_closed_sign_up_is_401_before_the_body_is_looked_at(
    connect: Connect, client: Client, identity: Identity
) -> None:
    for body in (BOB, {"nonsense": 1}):
        assert (await client.post("/api/users", json=body)).status_code == 401
    await add_user(identity)
    viewer = connect(token=(await sign_in(client))["access_token"])
    assert (await viewer.post("/api/users", json={"x": 1})).status_code == 403


async def test_open_sign_up_makes_viewers_alone(client: Client) -> None:
    made = await client.post("/api/users", json=BOB)
    assert made.status_code == 201
    assert made.json()["role"] == "viewer"
    greedy = BOB | {"email": "eve@x.org", "role": "admin"}
    assert (await client.post("/api/users", json=greedy)).status_code == 403


async def test_a10_d26_sign_ups_are_limited_by_address(client: Client) -> None:
    answers = [await client.post("/api/users", json=BOB) for _ in range(22)]
    assert [a.status_code for a in answers] == [201] + [409] * 19 + [429] * 2
    assert "retry-after" in answers[-1].headers


async def test_if_match_guards_a_change(identity: Identity, admin: Client) -> None:
    user = await add_user(identity)
    url = f"/api/users/{user.id}"
    etag = (await admin.get(url)).headers["etag"]
    first = await admin.patch(url, json={"name": "A"}, headers={"If-Match": etag})
    assert first.status_code == 200
    assert first.headers["etag"] != etag
    for stale in (etag, '"x"', "", '"99999999999999999999999"'):
        again = await admin.patch(url, json={"name": "B"}, headers={"If-Match": stale})
        assert again.status_code == 412
    assert (await admin.get(url)).json()["name"] == "A"
    any_state = await admin.patch(url, json={"name": "C"}, headers={"If-Match": "*"})
    assert any_state.status_code == 200


async def test_a19_no_patch_takes_a_password_or_an_email(
    identity: Identity, admin: Client
) -> None:
    user = await add_user(identity)
    for url in (f"/api/users/{user.id}", "/api/users/me"):
        for field in ("password", "password_hash", "email", "id", "token_version"):
            answer = await admin.patch(url, json={field: "x"})
            assert answer.status_code == 422
    role = await admin.patch("/api/users/me", json={"role": "viewer"})
    assert role.status_code == 422


async def test_a18_g07_disabling_and_demoting_act_at_once(
    identity: Identity, admin: Client, connect: Connect
) -> None:
    user = await add_user(identity, role=Role.EDITOR)
    ann = connect(token=(await sign_in(connect()))["access_token"])
    assert "jobs:write" in (await ann.get("/api/me")).json()["scopes"]
    url = f"/api/users/{user.id}"
    await admin.patch(url, json={"role": "viewer"})
    assert "jobs:write" not in (await ann.get("/api/me")).json()["scopes"]
    await admin.patch(url, json={"disabled": True})
    assert (await ann.get("/api/me")).status_code == 401
    await admin.patch(url, json={"disabled": False})
    assert (await ann.get("/api/me")).status_code == 401
    assert await sign_in(connect())


async def test_the_last_admin_stays(identity: Identity, admin: Client) -> None:
    me = (await admin.get("/api/me")).json()["id"]
    url = f"/api/users/{me}"
    for answer in (
        await admin.patch(url, json={"role": "editor"}),
        await admin.patch(url, json={"disabled": True}),
        await admin.delete(url),
    ):
        assert answer.status_code == 409
        assert answer.json()["type"].endswith("/last-admin")
    await add_user(identity, "two@x.org", Role.ADMIN)
    assert (await admin.patch(url, json={"role": "editor"})).status_code == 200


async def test_a_deleted_user_is_gone_with_keys_and_tokens(
    identity: Identity, admin: Client, connect: Connect
) -> None:
    user = await add_user(identity)
    tokens = await sign_in(connect())
    async with identity.unit_of_work() as services:
        made = await services.keys.create(
            principal_of(user), NewKey("k", ["models:read"])
        )
    callers = [connect(token=t) for t in (tokens["access_token"], made.key)]
    assert [(await c.get("/api/me")).status_code for c in callers] == [200, 200]
    url = f"/api/users/{user.id}"
    assert (await admin.delete(url)).status_code == 204
    assert [(await c.get("/api/me")).status_code for c in callers] == [401, 401]
    assert (await admin.delete(url)).status_code == 404
    assert (await admin.get(url)).status_code == 404
    assert (await admin.post("/api/users", json=BOB)).status_code == 201


async def test_a_key_for_users_alone_makes_no_admin(
    identity: Identity, connect: Connect
) -> None:
    root = await add_user(identity, "root@x.org", Role.ADMIN)
    new = NewKey("provisioning", ["users:write", "users:read"])
    async with identity.unit_of_work() as services:
        made = await services.keys.create(principal_of(root), new)
    narrow = connect(token=made.key)
    viewer = await narrow.post("/api/users", json=BOB)
    assert viewer.status_code == 201
    greedy = BOB | {"email": "eve@x.org", "role": "admin"}
    assert (await narrow.post("/api/users", json=greedy)).status_code == 403
    raised = await narrow.patch(
        f"/api/users/{viewer.json()['id']}", json={"role": "editor"}
    )
    assert raised.status_code == 403
    other = await add_user(identity, "two@x.org", Role.ADMIN)
    for answer in (
        await narrow.patch(f"/api/users/{other.id}", json={"disabled": True}),
        await narrow.delete(f"/api/users/{other.id}"),
    ):
        assert answer.status_code == 403


async def test_g05_nobody_but_admins_administers(
    identity: Identity, connect: Connect
) -> None:
    user = await add_user(identity, role=Role.EDITOR)
    editor = connect(token=(await sign_in(connect()))["access_token"])
    url = f"/api/users/{user.id}"
    answers = [
        await editor.get("/api/users"),
        await editor.get(url),
        await editor.patch(url, json={"role": "admin"}),
        await editor.delete(url),
        await editor.delete(f"{url}/sessions"),
        await editor.post(f"{url}/password-reset"),
        await editor.get("/api/audit"),
    ]
    assert [a.status_code for a in answers] == [403] * 7


async def test_the_audit_log_tells_who_did_what(
    identity: Identity, admin: Client, clock: FakeClock
) -> None:
    made = await admin.post(
        "/api/users", json=BOB, headers={"User-Agent": "evil\x1b[31m agent"}
    )
    page = await admin.get("/api/audit?action=user.create&limit=1")
    entry = page.json()["items"][0]
    assert entry["actor"] == "root@x.org"
    assert entry["method"] == "token"
    assert entry["object_id"] == made.json()["id"]
    assert entry["address"] == "192.0.2.1"
    assert entry["request_id"] == made.headers["x-request-id"]
    assert entry["result"] == "ok"
    assert "\x1b" not in entry["user_agent"]
    assert PASSWORD not in page.text
    assert (await admin.delete(f"/api/audit/{entry['id']}")).status_code in (404, 405)


async def test_the_command_line_makes_an_admin_first(identity: Identity) -> None:
    roles = []
    for email in ("a@x.org", "b@x.org"):
        async with identity.unit_of_work() as services:
            new = NewUser(email, PASSWORD, "A")
            roles.append((await services.accounts.create_local(new)).role)
    assert roles == ["admin", "viewer"]
    assert PASSWORD not in repr(new)
    assert cli_principal().is_admin
