"""Checklist E: what a browser carries, and what other sites cannot make it do."""

from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest

from tests.security.clocked import Answer, Client, Clocked
from tests.served import PASSWORD

ELSEWHERE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.fixture
def email(server: Clocked) -> str:
    return server.person("editor").email


@pytest.fixture
def browser(server: Clocked, email: str) -> Iterator[Client]:
    with server.browser(email) as client:
        yield client


def sign_in(client: Client, email: str, **headers: str) -> Answer:
    body = {"email": email, "password": PASSWORD}
    return client.post("/api/session", json=body, headers=headers)


def change(client: Client, **headers: str) -> int:
    """The status of a change by cookie."""
    body = {"name": "Changed"}
    return client.patch("/api/users/me", json=body, headers=headers).status_code


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_e01_the_cookie_has_every_flag(
    server: Clocked, visitor: Client, email: str, scheme: str
) -> None:
    answer = sign_in(visitor, email, **{"X-Forwarded-Proto": scheme})
    ((name, cookie),) = SimpleCookie(answer.headers["set-cookie"]).items()
    is_secure = scheme == "https"
    assert name == ("__Host-ftl_session" if is_secure else "ftl_session")
    assert bool(cookie["secure"]) is is_secure
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert int(cookie["max-age"]) == 8 * 3600
    assert answer.headers["cache-control"] == "no-store"


def test_e02_signing_in_makes_a_new_session_and_ends_the_old(
    server: Clocked, browser: Client, email: str
) -> None:
    before = dict(browser.cookies)
    assert sign_in(browser, email).status_code == 201
    after = dict(browser.cookies)
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    with server.client() as thief:
        for name, value in before.items():
            thief.cookies.set(name, value)
        assert thief.get("/api/me").status_code == 401
    # A cookie that an attacker has planted is not taken over.
    planted = "ftl_session=" + "planted" * 6
    with server.client() as fixed:
        answer = sign_in(fixed, email, Cookie=planted)
        assert answer.status_code == 201
        assert "planted" not in answer.headers["set-cookie"]


def test_e03_a_change_by_cookie_needs_the_token(browser: Client) -> None:
    token = browser.headers.pop("X-CSRF-Token")
    assert change(browser) == 403
    assert change(browser, **{"X-CSRF-Token": ""}) == 403
    assert change(browser, **{"X-CSRF-Token": token[:-1]}) == 403
    assert browser.get("/api/me").json()["csrf_token"] == token
    assert change(browser, **{"X-CSRF-Token": token}) == 200


def test_e04_the_token_of_another_session_does_not_count(
    server: Clocked, browser: Client, email: str
) -> None:
    with server.browser(email) as other:
        assert change(browser, **{"X-CSRF-Token": other.headers["X-CSRF-Token"]}) == 403


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_e05_a_page_elsewhere_changes_nothing(
    browser: Client, headers: dict[str, str]
) -> None:
    assert change(browser, **headers) == 403
    own = f"http://{browser.base_url.netloc.decode()}"
    assert change(browser, Origin=own) == 200
    assert change(browser, Origin="https://app.example.org") == 200


def test_e06_programs_need_no_token_and_no_cookie_helps_them(
    server: Clocked, browser: Client, email: str
) -> None:
    token = server.sign_in(email)["access_token"]
    with server.client(token) as client:
        assert change(client) == 200
        made = client.post("/api/keys", json={"name": "k", "scopes": ["jobs:read"]})
    with server.client(made.json()["key"]) as key:
        assert change(key) == 200
    wrong = {"Authorization": "Bearer wrong"}
    assert browser.get("/api/me", headers=wrong).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    assert browser.post("/token", data=form).status_code == 400


def test_e07_json_must_say_that_it_is(server: Clocked, browser: Client) -> None:
    body = b'{"name": "k", "scopes": ["jobs:read"]}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": kind} if kind else {}
        answer = browser.post("/api/keys", content=body, headers=headers)
        assert answer.status_code in (415, 422), kind
    assert browser.get("/api/keys").json()["items"] == []


def test_e08_a_session_ends_after_30_idle_minutes(
    server: Clocked, browser: Client
) -> None:
    server.clock.advance(minutes=29)
    assert browser.get("/api/me").status_code == 200
    server.run(server.identity.usage.written())
    server.clock.advance(minutes=29)
    assert browser.get("/api/me").status_code == 200
    server.run(server.identity.usage.written())
    server.clock.advance(minutes=30, seconds=1)
    assert browser.get("/api/me").status_code == 401


def test_e08_a_session_ends_after_8_hours_whatever_its_use(
    server: Clocked, browser: Client
) -> None:
    for _ in range(19):
        server.clock.advance(minutes=25)
        assert browser.get("/api/me").status_code == 200
        server.run(server.identity.usage.written())
    server.clock.advance(minutes=6)
    assert browser.get("/api/me").status_code == 401


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_e09_no_page_elsewhere_signs_anybody_in(
    server: Clocked, visitor: Client, email: str, headers: dict[str, str]
) -> None:
    assert sign_in(visitor, email, **headers).status_code == 403
    assert not visitor.cookies
    form = f'{{"email": "{email}", "password": "{PASSWORD}"}}'
    kind = {"Content-Type": "text/plain"}
    answer = visitor.post("/api/session", content=form, headers=kind)
    assert answer.status_code in (415, 422)
    # No token before the sign-in that a page could steal.
    assert visitor.get("/api/setup").is_success
    assert not visitor.cookies


def opened(client: Client, **headers: str) -> int:
    with client.stream("GET", "/api/events", headers=headers) as answer:
        return answer.status_code


def test_e10_a_stream_of_events_is_for_pages_of_ours(
    server: Clocked, browser: Client, visitor: Client, email: str
) -> None:
    assert opened(visitor) == 401
    assert opened(browser, Origin="https://evil.example") == 403
    assert opened(browser, Origin="null") == 403
    assert opened(browser) == 200
    assert opened(browser, Origin="https://app.example.org") == 200
    with server.signed_in(email) as program:
        assert opened(program) == 200
