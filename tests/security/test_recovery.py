"""Checklist A15 to A20: passwords and addresses that change hands."""

import time

import pytest

from tests.security.clocked import Answer, Client, Clocked, by_password, refresh
from tests.served import PASSWORD, unique

NEW = "a better battery staple"


def forgot(client: Client, email: str, **headers: str) -> None:
    body = {"email": email}
    answer = client.post("/api/password/forgot", json=body, headers=headers)
    assert answer.status_code == 202


def reset(client: Client, token: str, password: str = NEW) -> int:
    body = {"token": token, "password": password}
    return client.post("/api/password/reset", json=body).status_code


def test_a15_a_reset_token_is_long_good_once_and_for_one_user(
    server: Clocked, visitor: Client
) -> None:
    email, other = server.person().email, server.person().email
    forgot(visitor, email)
    token = server.mailed_token(email)
    assert len(token) == 43  # 62 ** 43 > 2 ** 256
    assert reset(visitor, token[:-1] + ("a" if token[-1] != "a" else "b")) == 422
    assert reset(visitor, token) == 204
    assert reset(visitor, token) == 422
    server.sign_in(email, NEW)
    server.sign_in(other, PASSWORD)


def test_a15_a_reset_token_is_good_for_half_an_hour(
    server: Clocked, visitor: Client
) -> None:
    email = server.person().email
    forgot(visitor, email)
    token = server.mailed_token(email)
    server.clock.advance(minutes=30, seconds=1)
    assert reset(visitor, token) == 422
    server.sign_in(email, PASSWORD)


def test_a16_no_header_shapes_the_link(server: Clocked, visitor: Client) -> None:
    email = server.person().email
    body = {"email": email}
    evil = {"Host": "evil.example"}
    assert visitor.post("/api/password/forgot", json=body, headers=evil).is_error
    forgot(visitor, email, **{"X-Forwarded-Host": "evil.example", "Origin": "null"})
    text = server.mails(email)[-1].text
    assert "evil" not in text
    assert "http://127.0.0.1:8000/#/reset/" in text


@pytest.mark.parametrize("way", ["change", "reset"])
def test_a17_a_new_password_ends_all_other_sign_ins(
    server: Clocked, visitor: Client, way: str
) -> None:
    email = server.person().email
    tokens, browser = server.sign_in(email), server.browser(email)
    if way == "change":
        with server.signed_in(email) as client:
            body = {"current_password": PASSWORD, "new_password": NEW}
            done = client.post("/api/users/me/password", json=body)
            assert done.status_code == 204
    else:
        forgot(visitor, email)
        assert reset(visitor, server.mailed_token(email)) == 204
    assert refresh(visitor, tokens["refresh_token"]).status_code == 400
    with browser, server.client(tokens["access_token"]) as client:
        assert client.get("/api/me").status_code == 401
        assert browser.get("/api/me").status_code == 401


def test_a18_a_disabled_user_is_out_within_a_second(
    server: Clocked, visitor: Client
) -> None:
    person = server.person()
    tokens, browser = server.sign_in(person.email), server.browser(person.email)
    with browser, server.client(tokens["access_token"]) as client:
        made = client.post("/api/keys", json={"name": "k", "scopes": ["jobs:read"]})
        with server.client(made.json()["key"]) as key:
            everybody = (client, browser, key)
            assert {c.get("/api/me").status_code for c in everybody} == {200}
            path = f"/api/users/{person.id}"
            started = time.perf_counter()
            done = server.admin.patch(path, json={"disabled": True})
            assert done.status_code == 200
            assert {c.get("/api/me").status_code for c in everybody} == {401}
            assert time.perf_counter() - started < 1
    assert refresh(visitor, tokens["refresh_token"]).status_code == 400
    assert by_password(visitor, person.email, PASSWORD).status_code == 400


def test_a19_an_admin_starts_a_reset_and_sets_no_password(
    server: Clocked, visitor: Client
) -> None:
    person = server.person()
    path = f"/api/users/{person.id}"
    for field in ("password", "password_hash", "new_password", "email"):
        answer = server.admin.patch(path, json={field: "x@example.org long"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{field}"
    assert server.admin.post(f"{path}/password-reset").status_code == 202
    assert reset(visitor, server.mailed_token(person.email)) == 204
    server.sign_in(person.email, NEW)


def move(client: Client, email: str, password: str = PASSWORD) -> Answer:
    body = {"email": email, "current_password": password}
    return client.post("/api/users/me/email", json=body)


def confirm(client: Client, token: str) -> tuple[int, str]:
    answer = client.post("/api/email/confirm", json={"token": token})
    return answer.status_code, answer.json().get("state", "")


@pytest.mark.parametrize("first", ["old", "new"])
def test_a20_an_email_changes_when_both_addresses_have_agreed(
    server: Clocked, visitor: Client, first: str
) -> None:
    old, new = server.person().email, f"{unique('p')}@example.org"
    with server.signed_in(old) as client:
        assert move(client, new, "wrong").status_code == 422
        assert server.mails(new) == []
        assert move(client, new).status_code == 202
    tokens = [server.mailed_token(email) for email in (old, new)]
    if first == "new":
        tokens.reverse()
    assert confirm(visitor, tokens[0]) == (200, "waiting")
    assert confirm(visitor, tokens[0])[0] == 422
    assert by_password(visitor, new, PASSWORD).status_code == 400
    assert confirm(visitor, tokens[1]) == (200, "changed")
    assert by_password(visitor, old, PASSWORD).status_code == 400
    server.sign_in(new)


def test_a20_an_address_of_somebody_else_is_not_told_and_not_taken(
    server: Clocked,
) -> None:
    mine, theirs = server.person().email, server.person().email
    with server.signed_in(mine) as client:
        assert move(client, theirs.upper()).status_code == 202
    assert server.mails(mine) == []
    (mail,) = server.mails(theirs)
    assert "#" not in mail.text
    server.sign_in(theirs)


def test_a20_a_key_or_an_old_link_moves_nothing(
    server: Clocked, visitor: Client
) -> None:
    old, new = server.person().email, f"{unique('p')}@example.org"
    with server.signed_in(old) as client:
        made = client.post("/api/keys", json={"name": "k", "scopes": ["jobs:read"]})
        with server.client(made.json()["key"]) as key:
            assert move(key, new).status_code == 403
        assert move(client, new).status_code == 202
    tokens = [server.mailed_token(email) for email in (old, new)]
    assert confirm(visitor, tokens[0]) == (200, "waiting")
    server.clock.advance(minutes=30, seconds=1)
    assert confirm(visitor, tokens[1])[0] == 422
    server.sign_in(old)
