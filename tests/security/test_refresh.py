"""Checklist C: sign-ins that are renewed, copied and ended."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.security.clocked import Answer, Client, Clocked, by_password, refresh
from tests.served import PASSWORD

T = TypeVar("T")


def renewed(client: Client, token: str) -> str:
    answer = refresh(client, token)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["refresh_token"]
    return found


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Run calls in threads that start together."""
    results: list[T | None] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(number: int) -> None:
        start.wait(30)
        results[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [found for found in results if found is not None]


def test_c01_a_refresh_token_is_good_for_one_use(
    server: Clocked, visitor: Client
) -> None:
    first = server.sign_in(server.person().email)["refresh_token"]
    assert renewed(visitor, first) != first
    server.clock.advance(seconds=11)
    again = refresh(visitor, first)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_c02_a_second_use_ends_the_whole_family(
    server: Clocked, visitor: Client
) -> None:
    first = server.sign_in(server.person().email)["refresh_token"]
    second = renewed(visitor, first)
    third = refresh(visitor, second).json()
    assert refresh(visitor, first).status_code == 400
    assert refresh(visitor, third["refresh_token"]).status_code == 400
    with server.client(third["access_token"]) as client:
        assert client.get("/api/me").status_code == 401


def test_c03_fifty_uses_at_once_make_one_lineage(server: Clocked) -> None:
    first = server.sign_in(server.person().email)["refresh_token"]

    def use() -> Answer:
        with server.client() as client:
            return refresh(client, first)

    answers = at_once(*[use] * 50)
    good = [answer for answer in answers if answer.status_code == 200]
    assert {a.status_code for a in answers} <= {200, 503}
    assert len({answer.json()["refresh_token"] for answer in good}) == 1


@pytest.mark.slow
def test_c04_no_descendant_outlives_a_replay(server: Clocked, visitor: Client) -> None:
    email = server.person().email
    for delay in range(0, 500, 25):
        first = server.sign_in(email)["refresh_token"]
        newest = renewed(visitor, renewed(visitor, first))
        found: list[str] = []

        def descend(token: str, found: list[str]) -> None:
            with server.client() as client:
                for _ in range(20):
                    answer = refresh(client, token)
                    if answer.status_code != 200:
                        return
                    token = answer.json()["refresh_token"]
                    found += [token, answer.json()["access_token"]]

        running = threading.Thread(target=descend, args=(newest, found))
        running.start()
        threading.Event().wait(delay * random.random() / 1000)  # noqa: S311
        assert refresh(visitor, first).status_code == 400
        running.join(60)
        for token in [newest, *found]:
            if token.startswith("ftr_"):
                assert refresh(visitor, token).status_code == 400
            else:
                with server.client(token) as client:
                    assert client.get("/api/me").status_code == 401


def test_c05_renewing_does_not_extend_thirty_days(
    server: Clocked, visitor: Client
) -> None:
    token = server.sign_in(server.person().email)["refresh_token"]
    for _ in range(5):
        server.clock.advance(days=5.9)
        token = renewed(visitor, token)
    server.clock.advance(days=0.6)
    assert refresh(visitor, token).status_code == 400


def test_c06_a_family_is_of_its_client_and_only_shrinks(
    server: Clocked, visitor: Client
) -> None:
    email = server.person().email
    form = {"scope": "models:read jobs:read", "client_id": "notebook"}
    token = by_password(visitor, email, PASSWORD, **form).json()["refresh_token"]
    mine = {"client_id": "notebook"}
    assert refresh(visitor, token).status_code == 400
    assert refresh(visitor, token, client_id="another").status_code == 400
    wider = refresh(visitor, token, **mine, scope="models:read datasets:read")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    less = refresh(visitor, token, **mine, scope="jobs:read").json()
    assert less["scope"] == "jobs:read"
    with server.client(less["access_token"]) as client:
        assert client.get("/api/me").json()["scopes"] == ["jobs:read"]


def test_c07_no_token_stands_in_the_database(server: Clocked) -> None:
    email = server.person().email
    tokens, browser = server.sign_in(email), server.browser(email)
    with browser, server.client(tokens["access_token"]) as client:
        made = client.post("/api/keys", json={"name": "k", "scopes": ["jobs:read"]})
        secrets = [
            tokens["refresh_token"],
            tokens["access_token"],
            made.json()["key"],
            *browser.cookies.values(),
        ]
    stored = b"".join(
        file.read_bytes() for file in server.data_dir.glob("foretell.db*")
    )
    assert email.encode() in stored
    for secret in secrets:
        assert secret.removeprefix("ftr_").encode() not in stored


@pytest.mark.parametrize("way", ["session", "revoke"])
def test_c08_signing_out_ends_refresh_and_access(
    server: Clocked, visitor: Client, way: str
) -> None:
    tokens = server.sign_in(server.person().email)
    with server.client(tokens["access_token"]) as client:
        if way == "session":
            assert client.delete("/api/session").status_code == 204
        else:
            form = {"token": tokens["refresh_token"]}
            assert visitor.post("/token/revoke", data=form).status_code == 200
        assert client.get("/api/me").status_code == 401
    assert refresh(visitor, tokens["refresh_token"]).status_code == 400


def test_c09_sign_ins_are_listed_and_ended_one_by_one(
    server: Clocked, visitor: Client
) -> None:
    email = server.person().email
    tokens, browser = server.sign_in(email), server.browser(email)
    with browser, server.client(tokens["access_token"]) as client:
        items = client.get("/api/sessions").json()["items"]
        assert {(i["kind"], i["is_current"]) for i in items} == {
            ("token", True),
            ("browser", False),
        }
        ended = next(i["id"] for i in items if i["kind"] == "browser")
        assert client.delete(f"/api/sessions/{ended}").status_code == 204
        assert browser.get("/api/me").status_code == 401
        assert client.get("/api/me").status_code == 200
        assert len(client.get("/api/sessions").json()["items"]) == 1


def test_c10_an_admin_ends_all_sign_ins_of_a_user(
    server: Clocked, visitor: Client
) -> None:
    person, other = server.person(), server.person()
    tokens, browser = server.sign_in(person.email), server.browser(person.email)
    path = f"/api/users/{person.id}/sessions"
    with server.signed_in(other.email) as client:
        assert client.delete(path).status_code == 403
        started = time.perf_counter()
        assert server.admin.delete(path).status_code == 204
        with browser, server.client(tokens["access_token"]) as theirs:
            assert theirs.get("/api/me").status_code == 401
            assert browser.get("/api/me").status_code == 401
        assert time.perf_counter() - started < 1
        assert client.get("/api/me").status_code == 200
    assert refresh(visitor, tokens["refresh_token"]).status_code == 400
