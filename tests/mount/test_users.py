"""The host's users as callers of Foretell."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from foretell.auth.host_users import host_user_id
from foretell.auth.tables import AuditEntry, User
from foretell.core.principal import Role
from foretell.mount import HostUser, mount_in_starlette
from foretell.testing.people import SignIn
from tests.mount.conftest import client_of

ADA = HostUser("shop:1", "ada@example.org", "Ada")


class Host:
    """A host that has signed in whoever a test says."""

    def __init__(self, foretell):
        self.user = ADA
        self.asked = 0
        self.app = Starlette()
        mount_in_starlette(self.app, foretell, users=self.users)

    async def users(self, connection):
        self.asked += 1
        return self.user


@pytest.fixture
async def host(foretell, opened):
    found = Host(foretell)
    await opened(found.app)
    return found


@pytest.fixture
async def browser(host):
    async with client_of(host.app) as client:
        yield client


async def accounts(foretell):
    async with foretell.state.foretell.database.reading() as session:
        return list(await session.scalars(select(User).order_by(User.email)))


async def me(client):
    answer = await client.get("/ft/api/me")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_account_stands_for_them_from_their_first_request(
    foretell, host, browser
):
    found = await me(browser)
    assert found["id"] == host_user_id("shop:1")
    assert found["id"][14] == "8"
    assert (found["email"], found["name"]) == ("ada@example.org", "Ada")
    assert (found["role"], found["method"]) == ("viewer", "host")
    assert (await me(browser))["id"] == found["id"]
    assert len(await accounts(foretell)) == 1
    async with foretell.state.foretell.database.reading() as session:
        of_users = AuditEntry.action.like("user.%")
        entries = list(await session.scalars(select(AuditEntry).where(of_users)))
    assert [(e.action, e.method) for e in entries] == [("user.create", "host")]


async def test_nobody_of_the_host_is_nobody_here(host, browser):
    host.user = None
    assert (await browser.get("/ft/api/me")).status_code == 401
    assert (await browser.get("/ft/healthz")).status_code == 200


async def test_name_and_role_are_kept_in_step(foretell, host, browser):
    await me(browser)
    host.user = replace(ADA, name="Ada L.", role=Role.EDITOR)
    found = await me(browser)
    assert (found["name"], found["role"]) == ("Ada L.", "editor")
    assert "datasets:write" in found["scopes"]
    host.user = replace(ADA, role=Role.VIEWER)
    assert (await me(browser))["role"] == "viewer"
    # Without a role the host has no say in it.
    host.user = ADA
    assert (await me(browser))["role"] == "viewer"


async def test_an_email_of_another_account_is_theirs_only_if_proven(
    foretell, host, browser
):
    async with AsyncExitStack() as stack:
        await SignIn(foretell, stack)("admin", email="Ada@Example.org")
    refused = await browser.get("/ft/api/me")
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("/host-user-refused")
    host.user = replace(ADA, has_proven_email=True)
    assert (await me(browser))["role"] == "admin"
    assert len(await accounts(foretell)) == 1


async def test_two_people_are_two_accounts(foretell, host, browser):
    first = await me(browser)
    host.user = HostUser("shop:2", "bob@example.org")
    assert (await me(browser))["id"] != first["id"]
    host.user = HostUser("shop:3", "no address")
    assert (await browser.get("/ft/api/me")).status_code == 403
    assert [u.email for u in await accounts(foretell)] == [
        "ada@example.org",
        "bob@example.org",
    ]


async def test_a_credential_of_foretell_goes_before_the_hosts_word(
    foretell, host, browser
):
    async with AsyncExitStack() as stack:
        own = await SignIn(foretell, stack)("editor")
        bearer = {"Authorization": own.headers["authorization"]}
        found = (await browser.get("/ft/api/me", headers=bearer)).json()
        assert (found["method"], found["role"]) == ("token", "editor")
        assert host.asked == 0
    # One that does not count leaves the word to the host, and alone it is refused.
    token = {"Authorization": "Bearer of.the.host"}
    assert (await browser.get("/ft/api/me", headers=token)).json()["method"] == "host"
    host.user = None
    assert (await browser.get("/ft/api/me", headers=token)).status_code == 401


async def test_a_change_from_a_browser_needs_the_csrf_token_and_its_own_page(
    host, browser
):
    key = {"name": "mine", "scopes": ["models:predict"]}
    token = (await me(browser))["csrf_token"]
    refused = await browser.post("/ft/api/keys", json=key)
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("/csrf-failed")
    for headers in (
        {"X-CSRF-Token": "0" * 64},
        {"X-CSRF-Token": token, "Origin": "https://evil.example"},
        {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"},
        {"Authorization": "Basic YTpi"},
    ):
        answer = await browser.post("/ft/api/keys", json=key, headers=headers)
        assert answer.status_code == 403, headers
    own = {"X-CSRF-Token": token, "Origin": "http://localhost"}
    made = await browser.post("/ft/api/keys", json=key, headers=own)
    assert made.status_code == 201
    # No browser adds this one by itself.
    by_token = {"Authorization": "Bearer of.the.host"}
    made = await browser.post("/ft/api/keys", json=key, headers=by_token)
    assert made.status_code == 201
    assert (await browser.post("/ft/api/predict", json={})).status_code == 403


async def test_who_is_disabled_here_is_out_whatever_the_host_says(
    foretell, host, browser
):
    user_id = (await me(browser))["id"]
    async with AsyncExitStack() as stack:
        admin = await SignIn(foretell, stack)("admin")
        path = f"/api/users/{user_id}"
        assert (await admin.patch(path, json={"disabled": True})).status_code == 200
    assert (await browser.get("/ft/api/me")).status_code == 401


async def test_the_hook_is_asked_once_in_a_request_and_a_wrong_answer_is_told(
    settings, clock, host, browser, caplog
):
    await me(browser)
    assert host.asked == 1
    host.user = "ada@example.org"
    assert (await browser.get("/ft/api/me")).status_code == 500
    assert "the hook for users gave str, not a HostUser or None" in caplog.text


async def test_a_plain_function_is_a_hook_too(foretell, opened):
    host = Starlette()
    mount_in_starlette(host, foretell, users=lambda connection: ADA)
    client = await opened(host)
    assert (await me(client))["email"] == "ada@example.org"


async def test_many_first_requests_at_once_make_one_account(foretell, host, browser):
    import asyncio

    answers = await asyncio.gather(*(browser.get("/ft/api/me") for _ in range(8)))
    assert {a.status_code for a in answers} == {200}
    assert len(await accounts(foretell)) == 1
