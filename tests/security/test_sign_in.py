"""Checklist A08 to A14: what guessing learns, and how far it gets."""

import os
import statistics
import time
from collections.abc import Callable

import pytest
from scipy.stats import mannwhitneyu

from tests.security.clocked import Answer, Client, Clocked, address, by_password
from tests.served import PASSWORD, Server, unique

# A thousand for a night; what CI takes sees a difference of a tenth.
TRIES = int(os.environ.get("FORETELL_TIMING_TRIES", "60"))


def unlike(answer: Answer) -> tuple[int, str, dict[str, str]]:
    """What an answer tells, but for its own id and time."""
    own = ("x-request-id", "date")
    headers = {k: v for k, v in answer.headers.items() if k not in own}
    text = answer.text
    for name in ("x-request-id",):
        text = text.replace(answer.headers[name], "")
    return answer.status_code, text, headers


def test_a08_an_unknown_user_is_answered_like_a_wrong_password(
    server: Clocked, visitor: Client
) -> None:
    known, unknown = server.person().email, f"{unique('p')}@example.org"
    answers = [by_password(visitor, email, "wrong pass") for email in (known, unknown)]
    assert unlike(answers[0]) == unlike(answers[1])
    bodies = [{"email": email, "password": "wrong"} for email in (known, unknown)]
    opened = [visitor.post("/api/session", json=body) for body in bodies]
    assert opened[0].status_code == 401
    assert unlike(opened[0]) == unlike(opened[1])


def differ(
    server: Clocked, first: Callable[[], Answer], second: Callable[[], Answer]
) -> tuple[float, float]:
    """How far the medians of two calls are apart, and the rank test's p."""
    times: list[list[float]] = [[], []]
    for number in range(2 * TRIES):
        which = number % 2
        started = time.perf_counter()
        answer = (first, second)[which]()
        times[which].append(time.perf_counter() - started)
        assert answer.status_code in (202, 400), answer.text
        server.clock.advance(hours=2)
    medians = [statistics.median(found) for found in times]
    apart = abs(medians[0] - medians[1]) / max(medians)
    return apart, float(mannwhitneyu(*times).pvalue)


@pytest.mark.slow
def test_a09_an_unknown_user_takes_the_same_time(server: Clocked) -> None:
    known = server.person().email
    with server.client() as client:
        apart, p = differ(
            server,
            lambda: by_password(client, known, "wrong"),
            lambda: by_password(client, f"{unique('p')}@example.org", "wrong"),
        )
    assert apart < 0.1 or p > 0.01, (apart, p)


def forgot(client: Client, email: str) -> Answer:
    return client.post("/api/password/forgot", json={"email": email})


def test_a10_forgetting_tells_nobody_and_sign_up_is_throttled(
    server: Clocked, visitor: Client
) -> None:
    known, unknown = server.person().email, f"{unique('p')}@example.org"
    answers = [forgot(visitor, email) for email in (known, unknown)]
    assert answers[0].status_code == 202
    assert unlike(answers[0]) == unlike(answers[1])
    body = {"email": known, "password": PASSWORD, "name": "Ann"}
    statuses = {visitor.post("/api/users", json=body).status_code for _ in range(25)}
    assert statuses == {409, 429}


@pytest.mark.slow
def test_a10_forgetting_takes_the_same_time(server: Clocked) -> None:
    known = server.person().email
    with server.client() as client:
        apart, p = differ(
            server,
            lambda: forgot(client, known),
            lambda: forgot(client, f"{unique('p')}@example.org"),
        )
    assert apart < 0.1 or p > 0.01, (apart, p)


def test_a11_no_header_about_the_address_helps_a_guesser(
    alone: Server, alone_key: str
) -> None:
    answers = []
    with alone.client() as client:
        for _ in range(8):
            headers = {"X-Forwarded-For": address(), "X-Real-IP": address()}
            form = {"grant_type": "password", "username": "admin@example.org"}
            form["password"] = "wrong"
            answers.append(client.post("/token", data=form, headers=headers))
    # Other tests may have failed before it, from the same address.
    statuses = [a.status_code for a in answers]
    assert statuses == sorted(statuses)
    assert statuses.count(400) <= 5
    assert statuses[-3:] == [429] * 3
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60


def test_a12_one_address_does_not_try_many_accounts(
    server: Clocked, visitor: Client
) -> None:
    statuses = [
        by_password(visitor, f"{unique('p')}@example.org", PASSWORD).status_code
        for _ in range(30)
    ]
    assert statuses == [400] * 20 + [429] * 10
    server.clock.advance(minutes=1, seconds=1)
    assert by_password(visitor, "p@example.org", PASSWORD).status_code == 400


@pytest.mark.slow
def test_a12_many_addresses_do_not_try_many_accounts(server: Clocked) -> None:
    email = server.person().email
    tokens = server.sign_in(email)

    def tried() -> int:
        with server.client() as client:
            name = f"{unique('p')}@example.org"
            return by_password(client, name, PASSWORD).status_code

    statuses = [tried() for _ in range(205)]
    assert statuses == [400] * 200 + [429] * 5
    # Whoever is signed in does not notice.
    with server.client(tokens["access_token"]) as client:
        assert client.get("/api/me").status_code == 200
    server.clock.advance(minutes=1, seconds=1)
    server.sign_in(email)


def test_a13_nobody_is_locked_out_for_ever(server: Clocked, visitor: Client) -> None:
    email = server.person().email
    for _ in range(40):
        by_password(visitor, email, "wrong")
        server.clock.advance(minutes=1)
    assert by_password(visitor, email, PASSWORD).status_code == 429
    server.clock.advance(hours=1)
    assert by_password(visitor, email, PASSWORD).status_code == 200


@pytest.mark.parametrize("path", ["/api/session", "/api/users", "/api/password/reset"])
def test_a14_a_list_of_tries_is_no_try(
    server: Clocked, visitor: Client, path: str
) -> None:
    one = {"email": server.person().email, "password": PASSWORD}
    for body in ([one, one], {**one, "password": [PASSWORD, "other"]}):
        answer = visitor.post(path, json=body)
        assert answer.status_code == 422, answer.text
    form = f"grant_type=password&username={one['email']}&password=a&password=b"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.post("/token", content=form, headers=kind).status_code == 400
