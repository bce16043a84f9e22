"""Browsers, passwords, keys and the first admin over HTTP."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from foretell.auth.identity import Identity
from foretell.core.clock import FakeClock
from foretell.core.principal import Role
from tests.auth.conftest import PASSWORD, Connect, Outbox, add_user, sign_in

Client = httpx2.AsyncClient
ANN = {"email": "ann@x.org", "password": PASSWORD}
NEW = "another good sentence"
ADMIN = {"email": "root@x.org", "password": PASSWORD, "name": "Root"}


async def browse(connect: Connect, scheme: str = "http") -> Client:
    """A browser of Ann's, signed in; it sends the CSRF token like a page of ours."""
    client = connect(scheme=scheme)
    answer = await client.post("/api/session", json=ANN)
    assert answer.status_code == 201, answer.text
    client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return client


async def test_e01_the_cookie_of_plain_http(identity: Identity, client: Client) -> None:
    await add_user(identity)
    answer = await client.post("/api/session", json=ANN)
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert re.match(r"ftl_session=\w{43};", cookie)
    for flag in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=28800"):
        assert flag in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"csrf_token", "expires_at", "user"}
    assert client.cookies["ftl_session"] not in answer.text


async def test_e01_the_cookie_of_https_is_bound_to_the_host(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser = await browse(connect, "https")
    me = await browser.get("/api/me")
    assert me.status_code == 200
    assert list(browser.cookies) == ["__Host-ftl_session"]
    again = await connect(scheme="https").post("/api/session", json=ANN)
    assert "Secure" in again.headers["set-cookie"]


async def test_production_sets_no_cookie_over_plain_http(
    identity: Identity, client: Client
) -> None:
    await add_user(identity)
    identity.options = replace(identity.options, is_production=True)
    answer = await client.post("/api/session", json=ANN)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("/https-needed")
    assert "set-cookie" not in answer.headers


async def test_a_wrong_password_is_401_and_sets_nothing(
    identity: Identity, client: Client
) -> None:
    await add_user(identity)
    answer = await client.post("/api/session", json=ANN | {"password": "wrong"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "set-cookie" not in answer.headers


async def test_e02_each_sign_in_has_a_new_session_and_ends_the_old(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser = await browse(connect)
    old = browser.cookies["ftl_session"]
    await browser.post("/api/session", json=ANN)
    assert browser.cookies["ftl_session"] != old
    stale = connect()
    stale.cookies.set("ftl_session", old)
    assert (await stale.get("/api/me")).status_code == 401


async def test_a_sign_in_over_an_old_cookie_ends_that_session(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser = await browse(connect)
    old = browser.cookies["ftl_session"]
    del browser.headers["X-CSRF-Token"]
    assert (await browser.post("/api/session", json=ANN)).status_code == 201
    stale = connect()
    stale.cookies.set("ftl_session", old)
    assert (await stale.get("/api/me")).status_code == 401


async def test_e03_a_change_by_cookie_needs_the_token_that_me_gives(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser = await browse(connect)
    del browser.headers["X-CSRF-Token"]
    refused = await browser.patch("/api/users/me", json={"name": "A"})
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("/csrf-failed")
    me = (await browser.get("/api/me")).json()
    assert me["method"] == "session"
    browser.headers["X-CSRF-Token"] = me["csrf_token"]
    assert (await browser.patch("/api/users/me", json={"name": "A"})).is_success


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
async def test_e09_no_other_site_signs_anybody_in(
    identity: Identity, client: Client, headers: dict[str, str], status: int
) -> None:
    await add_user(identity)
    answer = await client.post("/api/session", json=ANN, headers=headers)
    assert answer.status_code == status


async def test_e07_e09_json_must_say_that_it_is(
    identity: Identity, client: Client
) -> None:
    await add_user(identity)
    body = b'{"email": "ann@x.org", "password": "%s"}' % PASSWORD.encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await client.post(
            "/api/session", content=body, headers={"Content-Type": kind}
        )
        assert answer.status_code in (415, 422)


async def test_signing_out_ends_the_session_and_takes_the_cookie(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser = await browse(connect)
    cookie = browser.cookies["ftl_session"]
    answer = await browser.delete("/api/session")
    assert answer.status_code == 204
    assert not browser.cookies
    browser.cookies.set("ftl_session", cookie)
    assert (await browser.get("/api/me")).status_code == 401
    assert (await browser.post("/api/session", json=ANN)).status_code == 201


async def test_c09_sign_ins_are_listed_and_ended_one_by_one(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser, tokens = await browse(connect), await sign_in(connect())
    program = connect(token=tokens["access_token"])
    items = (await browser.get("/api/sessions")).json()["items"]
    assert [(i["kind"], i["is_current"]) for i in items] == [
        ("browser", True),
        ("token", False),
    ]
    assert (await program.get("/api/me")).status_code == 200
    url = f"/api/sessions/{items[1]['id']}"
    assert (await browser.delete(url)).status_code == 204
    assert (await browser.delete(url)).status_code == 404
    assert (await program.get("/api/me")).status_code == 401


async def test_g01_nobody_ends_or_sees_the_sessions_of_others(
    identity: Identity, connect: Connect, admin: Client
) -> None:
    await add_user(identity)
    browser = await browse(connect)
    mine = (await browser.get("/api/sessions")).json()["items"][0]["id"]
    assert (await admin.delete(f"/api/sessions/{mine}")).status_code == 404
    theirs = (await admin.get("/api/sessions")).json()["items"]
    assert mine not in [item["id"] for item in theirs]


async def test_c10_all_sign_ins_of_a_user_end_at_once(
    identity: Identity, connect: Connect, admin: Client
) -> None:
    user = await add_user(identity)
    for how in ("self", "admin"):
        browser, tokens = await browse(connect), await sign_in(connect())
        program = connect(token=tokens["access_token"])
        if how == "self":
            answer = await browser.delete("/api/sessions")
        else:
            answer = await admin.delete(f"/api/users/{user.id}/sessions")
        assert answer.status_code == 204
        assert (await program.get("/api/me")).status_code == 401
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert (await connect().post("/token", data=form)).status_code == 400
    missing = await admin.delete("/api/users/0/sessions")
    assert missing.status_code == 404


async def test_a05_a17_a_password_change_needs_the_old_one_and_ends_the_rest(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser, other = await browse(connect), await browse(connect)
    tokens = await sign_in(connect())
    url = "/api/users/me/password"
    for body in (
        {"new_password": NEW},
        {"current_password": "wrong", "new_password": NEW},
        {"current_password": PASSWORD, "new_password": "short"},
    ):
        assert (await browser.post(url, json=body)).status_code == 422
    old = browser.cookies["ftl_session"]
    good = {"current_password": PASSWORD, "new_password": NEW}
    assert (await browser.post(url, json=good)).status_code == 204
    assert browser.cookies["ftl_session"] != old
    assert (await browser.get("/api/me")).status_code == 200
    assert (await other.get("/api/me")).status_code == 401
    program = connect(token=tokens["access_token"])
    assert (await program.get("/api/me")).status_code == 401
    assert await sign_in(connect(), password=NEW)


async def test_a_thief_of_a_session_guesses_no_password(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser = await browse(connect)
    guess = {"current_password": "guess", "new_password": NEW}
    answers = [
        await browser.post("/api/users/me/password", json=guess) for _ in range(7)
    ]
    assert [a.status_code for a in answers] == [422] * 5 + [429] * 2


def token_in(outbox: Outbox) -> str:
    found = re.search(r"#/reset/(\w+)", outbox.mails[-1]["text"])
    assert found
    return found.group(1)


async def test_a15_a17_a_forgotten_password_is_set_by_a_mailed_token_once(
    identity: Identity, connect: Connect, outbox: Outbox, clock: FakeClock
) -> None:
    await add_user(identity)
    browser, client = await browse(connect), connect()
    asked = await client.post("/api/password/forgot", json={"email": "ANN@x.org"})
    assert asked.status_code == 202
    assert outbox.mails[-1]["to"] == "ann@x.org"
    token = token_in(outbox)
    url = "/api/password/reset"
    weak = await client.post(url, json={"token": token, "password": "12345678"})
    assert weak.json()["errors"][0]["pointer"] == "/password"
    body = {"token": token, "password": NEW}
    tries = [client.post(url, json=body) for _ in range(3)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*tries))
    assert statuses == [204, 422, 422]
    assert (await browser.get("/api/me")).status_code == 401
    assert await sign_in(client, password=NEW)
    for odd in ("", "x", "\x00", token):
        answer = await client.post(url, json={"token": odd, "password": NEW})
        assert answer.status_code == 422


async def test_a15_a_reset_token_lives_half_an_hour_and_the_newest_counts(
    identity: Identity, client: Client, outbox: Outbox, clock: FakeClock
) -> None:
    await add_user(identity)
    ask = {"email": "ann@x.org"}
    tokens = []
    for _ in range(2):
        await client.post("/api/password/forgot", json=ask)
        tokens.append(token_in(outbox))
    url = "/api/password/reset"
    first = await client.post(url, json={"token": tokens[0], "password": NEW})
    assert first.status_code == 422
    clock.advance(minutes=30)
    late = await client.post(url, json={"token": tokens[1], "password": NEW})
    assert late.status_code == 422


async def test_a10_forgetting_does_not_tell_who_exists(
    identity: Identity, client: Client, outbox: Outbox
) -> None:
    await add_user(identity)
    answers = [
        await client.post("/api/password/forgot", json={"email": email})
        for email in ("ann@x.org", "nobody@x.org", "nonsense")
    ]
    assert [(a.status_code, a.content) for a in answers] == [(202, b"")] * 3
    assert len(outbox.mails) == 1


async def test_a16_no_header_shapes_the_reset_link(
    identity: Identity, client: Client, outbox: Outbox
) -> None:
    await add_user(identity)
    evil = {"X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    await client.post("/api/password/forgot", json={"email": "ann@x.org"}, headers=evil)
    assert "http://testserver/#/reset/" in outbox.mails[0]["text"]
    assert "evil" not in outbox.mails[0]["text"]


async def test_nobody_is_flooded_with_mails(
    identity: Identity, connect: Connect, outbox: Outbox
) -> None:
    await add_user(identity)
    for n in range(8):
        answer = await connect(address=f"192.0.2.{n}").post(
            "/api/password/forgot", json={"email": "ann@x.org"}
        )
        assert answer.status_code == 202
    assert len(outbox.mails) == 5


async def test_a19_an_admin_starts_a_reset_by_mail(
    identity: Identity, admin: Client, outbox: Outbox
) -> None:
    user = await add_user(identity)
    answer = await admin.post(f"/api/users/{user.id}/password-reset")
    assert answer.status_code == 202
    assert answer.content == b""
    assert outbox.mails[0]["to"] == "ann@x.org"
    assert (await admin.post("/api/users/0/password-reset")).status_code == 404


async def test_the_first_admin_is_made_with_the_printed_code(
    identity: Identity, client: Client
) -> None:
    assert (await client.get("/api/setup")).json() == {"needed": True}
    async with identity.unit_of_work() as services:
        code = await services.setup.issue_code()
    wrong = await client.post("/api/setup", json=ADMIN | {"code": "AAAA-AAAA"})
    assert wrong.status_code == 403
    weak = await client.post(
        "/api/setup", json=ADMIN | {"code": code, "password": "password"}
    )
    assert weak.status_code == 422
    made = await client.post("/api/setup", json=ADMIN | {"code": code})
    assert made.status_code == 201
    assert made.json()["role"] == "admin"
    assert (await client.get("/api/setup")).json() == {"needed": False}
    again = await client.post("/api/setup", json=ADMIN | {"code": code})
    assert again.status_code == 409
    async with identity.unit_of_work() as services:
        assert await services.setup.issue_code() is None


async def test_a_setup_code_is_not_guessed_and_the_last_printed_counts(
    identity: Identity, connect: Connect
) -> None:
    codes = []
    for _ in range(2):
        async with identity.unit_of_work() as services:
            codes.append(await services.setup.issue_code())
    old = await connect().post("/api/setup", json=ADMIN | {"code": codes[0]})
    assert old.status_code == 403
    statuses = [
        (
            await connect(address=f"192.0.2.{n}").post(
                "/api/setup", json=ADMIN | {"code": f"AAAA-AAA{n}"}
            )
        ).status_code
        for n in range(6)
    ]
    assert statuses == [403] * 4 + [429] * 2


async def test_a07_no_default_account_works(client: Client) -> None:
    for name in ("admin", "root", "admin@localhost", "foretell"):
        for password in ("admin", "password", "foretell", ""):
            answer = await client.post(
                "/api/session", json={"email": name, "password": password}
            )
            assert answer.status_code in (401, 429)


async def test_f01_a_key_is_shown_once(
    identity: Identity, connect: Connect, clock: FakeClock
) -> None:
    await add_user(identity)
    ann = connect(token=(await sign_in(connect()))["access_token"])
    made = await ann.post("/api/keys", json={"name": "shop", "scopes": ["models:read"]})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key, key_id = made.json()["key"], made.json()["id"]
    assert key.startswith(made.json()["prefix"])
    page = await ann.get("/api/keys")
    one = await ann.get(made.headers["location"])
    assert page.json()["items"] == [one.json()]
    assert key not in page.text
    assert "key" not in one.json()
    expected = clock.now() + timedelta(days=90)
    assert one.json()["expires_at"] == expected.isoformat().replace("+00:00", "Z")
    me = (await connect(token=key).get("/api/me")).json()
    assert (me["method"], me["scopes"]) == ("key", ["models:read"])
    assert (await ann.delete(f"/api/keys/{key_id}")).status_code == 204
    assert (await connect(token=key).get("/api/me")).status_code == 401
    assert (await ann.delete(f"/api/keys/{key_id}")).status_code == 404


async def test_a_key_does_not_sign_its_owner_out(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    browser = await browse(connect)
    body = {"name": "k", "scopes": ["models:read"]}
    key = connect(token=(await browser.post("/api/keys", json=body)).json()["key"])
    mine = (await key.get("/api/sessions")).json()["items"][0]["id"]
    change = {"current_password": PASSWORD, "new_password": NEW}
    answers = [
        await key.delete("/api/sessions"),
        await key.delete(f"/api/sessions/{mine}"),
        await key.post("/api/users/me/password", json=change),
    ]
    assert [a.status_code for a in answers] == [403] * 3
    assert (await key.delete("/api/session")).status_code == 404
    assert (await browser.get("/api/me")).status_code == 200


async def test_f05_last_use_and_origin_are_noted(
    identity: Identity, connect: Connect, clock: FakeClock
) -> None:
    await add_user(identity)
    ann = connect(token=(await sign_in(connect()))["access_token"])
    made = (
        await ann.post("/api/keys", json={"name": "k", "scopes": ["models:read"]})
    ).json()
    assert made["last_used_at"] is None
    assert made["created_from"] == "192.0.2.1"
    noted = []
    for _ in range(3):
        clock.advance(seconds=40)
        assert (await connect(token=made["key"]).get("/api/me")).is_success
        await identity.usage.written()
        noted.append((await ann.get("/api/keys")).json()["items"][0]["last_used_at"])
    assert noted[0] == noted[1] != noted[2]


async def test_f04_no_key_is_wider_than_what_makes_it(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity, role=Role.EDITOR)
    ann = connect(token=(await sign_in(connect()))["access_token"])

    async def make(client: Client, *scopes: str, **more: object) -> httpx2.Response:
        body = {"name": "k", "scopes": [*scopes], **more}
        return await client.post("/api/keys", json=body)

    assert (await make(ann, "users:read")).status_code == 403
    mother = await make(ann, "keys:write", "models:predict:churn")
    key = connect(token=mother.json()["key"])
    assert (await make(key, "models:predict:churn")).status_code == 201
    for scope in ("models:predict", "models:predict:other", "jobs:read"):
        assert (await make(key, scope)).status_code == 403
    assert (await make(key, "keys:write", expires_at=None)).status_code == 403
    far = "2999-01-01T00:00:00Z"
    assert (await make(key, "keys:write", expires_at=far)).status_code == 403
    assert (await make(ann, "keys:write", expires_at=None)).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": []},
        {"scopes": ["nonsense"]},
        {"scopes": ["models:fly"]},
        {"scopes": ["models:predict:"]},
        {"scopes": ["models:predict:a:b"]},
        {"scopes": ["models:predict:Ünïcode"]},
        {"scopes": ["models:predict models:read"]},
        {"scopes": "models:read"},
        {"name": ""},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00"},
        {"expires_at": 1},
        {"key": "ftl_mine"},
    ],
)
async def test_a_key_that_cannot_be_is_422(
    identity: Identity, connect: Connect, change: dict[str, object]
) -> None:
    await add_user(identity)
    ann = connect(token=(await sign_in(connect()))["access_token"])
    body = {"name": "k", "scopes": ["models:read"]} | change
    answer = await ann.post("/api/keys", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_g01_keys_of_others_do_not_exist_but_for_admins(
    identity: Identity, connect: Connect, admin: Client
) -> None:
    await add_user(identity)
    await add_user(identity, "bob@x.org")
    ann, bob = [
        connect(token=(await sign_in(connect(), email))["access_token"])
        for email in ("ann@x.org", "bob@x.org")
    ]
    body = {"name": "k", "scopes": ["models:read"]}
    made = (await ann.post("/api/keys", json=body)).json()
    url = f"/api/keys/{made['id']}"
    assert (await bob.get("/api/keys")).json()["items"] == []
    assert (await bob.get(url)).status_code == 404
    assert (await bob.delete(url)).status_code == 404
    listed = (await admin.get("/api/keys")).json()["items"]
    assert [key["id"] for key in listed] == [made["id"]]
    assert (await admin.delete(url)).status_code == 204


async def test_a_repeated_creation_does_not_show_the_key_again(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    ann = connect(token=(await sign_in(connect()))["access_token"])
    body = {"name": "k", "scopes": ["models:read"]}
    headers = {"Idempotency-Key": "once"}
    first = await ann.post("/api/keys", json=body, headers=headers)
    again = await ann.post("/api/keys", json=body, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    assert "key" not in again.json()
    assert len((await ann.get("/api/keys")).json()["items"]) == 1


async def test_keys_are_read_in_pages(identity: Identity, connect: Connect) -> None:
    await add_user(identity)
    ann = connect(token=(await sign_in(connect()))["access_token"])
    made = []
    for n in range(5):
        body = {"name": f"k{n}", "scopes": ["models:read"]}
        made.append((await ann.post("/api/keys", json=body)).json()["id"])
    seen, url = [], "/api/keys?limit=2"
    while url:
        page = await ann.get(url)
        seen += [key["id"] for key in page.json()["items"]]
        url = page.links["next"]["url"] if "next" in page.links else ""
    assert sorted(seen) == sorted(made)
    assert len(seen) == 5
