"""Tokens of an older backend: they count under its secret alone, and only for a while."""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from tests.auth.test_tokens import encoded
from tests.security import jose
from tests.security.clocked import Answer, Clocked, Person, by_password, clocked
from tests.served import PASSWORD, Server, unique

SECRET = "an older backend has signed with this for years"
OTHER = "another backend has signed with this for years"


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocked]:
    data_dir = tmp_path_factory.mktemp("legacy") / "data"
    with clocked(data_dir, legacy_jwt_secret=SECRET) as server:
        yield server


@pytest.fixture
def person(legacy: Clocked) -> Person:
    legacy.clock.advance(hours=2)
    return legacy.person()


def claims(server: Clocked, sub: str, **changed: Any) -> dict[str, Any]:
    now = int(server.clock.now().timestamp())
    return {"sub": sub, "exp": now + 600} | changed


def signed(payload: Any, secret: str = SECRET, **header: Any) -> str:
    """A token, header and claims as given."""
    head = encoded({"alg": "HS256", "typ": "JWT"} | header)
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = hmac.sign(f"{head}.{encoded(body)}".encode(), secret.encode())
    return f"{head}.{encoded(body)}.{encoded(signature)}"


def ask(server: Clocked, token: str, path: str = "/api/me") -> Answer:
    with server.client(token) as client:
        return client.get(path)


def status(server: Clocked, token: str) -> int:
    return ask(server, token).status_code


def test_a_token_of_python_jose_counts_under_the_secret_alone(
    legacy: Clocked, server: Clocked, person: Person
) -> None:
    token = jose.encode(claims(legacy, person.email), SECRET)
    answer = ask(legacy, token)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["method"]) == (person.id, "legacy")
    # Our own sign-in works beside it, and nothing of another secret counts.
    assert status(legacy, legacy.sign_in(person.email)["access_token"]) == 200
    forged = jose.encode(claims(legacy, person.email), OTHER)
    assert status(legacy, forged) == 401
    # A server that was not told of the secret takes none of it.
    known = jose.encode(claims(server, "admin@example.org"), SECRET)
    assert status(server, known) == 401


def test_python_jose_reads_our_tokens_by_the_published_keys(
    alone: Server, alone_key: str
) -> None:
    # On a server with the machine's clock, which is the one that python-jose asks.
    body = {"email": f"{unique('p')}@example.org", "password": PASSWORD, "name": "A"}
    with alone.client(alone_key) as admin:
        made = admin.post("/api/users", json=body).json()
    with alone.client() as visitor:
        answer = by_password(visitor, made["email"], PASSWORD)
        keys = visitor.get("/.well-known/jwks.json").json()
    token = answer.json()["access_token"]
    assert jose.decode(token, keys, "foretell")["sub"] == made["id"]


def test_a_subject_may_be_an_id_and_nobody_is_guessed(
    legacy: Clocked, person: Person
) -> None:
    assert status(legacy, signed(claims(legacy, person.id))) == 200
    assert status(legacy, signed(claims(legacy, person.email.upper()))) == 200
    for sub in ("nobody@example.org", "1", "", person.id[:-1], "admin", "a@b@c"):
        assert status(legacy, signed(claims(legacy, sub))) == 401, sub


def test_times_and_claims_are_read_strictly(legacy: Clocked, person: Person) -> None:
    now = int(legacy.clock.now().timestamp())
    good = claims(legacy, person.id)
    assert status(legacy, signed({**good, "exp": now + 1.5})) == 200
    odd: list[Any] = [
        {**good, "exp": now - 6},
        {**good, "exp": str(now + 600)},
        {**good, "exp": None},
        {**good, "nbf": now + 31},
        {**good, "iat": now + 31},
        {"sub": person.id},
        {**good, "sub": 7},
        {**good, "iss": "elsewhere"},
        {**good, "aud": "elsewhere"},
        {**good, "aud": ["elsewhere"]},
        json.dumps(good).encode()[:-1] + b', "sub": "x"}',
        f'{{"sub": "{person.id}", "exp": 1e400}}'.encode(),
        f'{{"sub": "{person.id}", "exp": NaN}}'.encode(),
        b"[]",
    ]
    for payload in odd:
        assert status(legacy, signed(payload)) == 401, payload


def test_no_header_opens_another_way_in(legacy: Clocked, person: Person) -> None:
    good = claims(legacy, person.id)
    for header in (
        {"alg": "none"},
        {"alg": "HS384"},
        {"alg": "ES256"},
        {"crit": ["x"]},
        {"jku": "http://127.0.0.1:9/"},
        {"jwk": {"kty": "oct", "k": "YQ"}},
        {"typ": "at+jwt"},
    ):
        assert status(legacy, signed(good, **header)) == 401, header
    unsigned = signed(good).rpartition(".")[0]
    for signature in ("", "A" * 43, "A" * 86):
        assert status(legacy, f"{unsigned}.{signature}") == 401
    keys = legacy.admin.get("/.well-known/jwks.json").json()["keys"]
    assert status(legacy, signed(good, json.dumps(keys[0]))) == 401


def test_a_token_with_scopes_gives_no_more_than_they_say(
    legacy: Clocked, person: Person
) -> None:
    few = signed(claims(legacy, person.id, scopes=["models:read", "items:read"]))
    assert ask(legacy, few, "/api/models").status_code == 200
    assert ask(legacy, few, "/api/datasets").status_code == 403
    none = signed(claims(legacy, person.id, scope="users:write"))
    assert ask(legacy, none).json()["scopes"] == []


@pytest.mark.parametrize("way", ["password", "sessions", "disabled", "deleted"])
def test_whoever_takes_tokens_back_takes_these_for_good(
    legacy: Clocked, person: Person, way: str
) -> None:
    token = signed(claims(legacy, person.id))
    path = f"/api/users/{person.id}"
    with legacy.client(token) as client:
        assert client.get("/api/me").status_code == 200
        if way == "password":
            body = {"current_password": PASSWORD, "new_password": "another " * 3}
            assert client.post("/api/users/me/password", json=body).is_success
        elif way == "sessions":
            assert legacy.admin.delete(f"{path}/sessions").is_success
        elif way == "disabled":
            assert legacy.admin.patch(path, json={"disabled": True}).is_success
        else:
            assert legacy.admin.delete(path).is_success
        assert client.get("/api/me").status_code == 401
        if way == "disabled":
            assert legacy.admin.patch(path, json={"disabled": False}).is_success
            assert client.get("/api/me").status_code == 401


def test_issuer_and_audience_are_asked_for_where_they_are_set(tmp_path: Any) -> None:
    rules: dict[str, Any] = {
        "legacy_jwt_issuer": "old.example",
        "legacy_jwt_audience": "shop",
    }
    with clocked(tmp_path / "data", legacy_jwt_secret=SECRET, **rules) as server:
        person = server.person()
        said = {"iss": "old.example", "aud": ["shop", "other"]}
        assert status(server, signed(claims(server, person.id, **said))) == 200
        for changed in ({"iss": "x"}, {"aud": "x"}, {"iss": None}, {"aud": None}):
            wrong = signed(claims(server, person.id, **{**said, **changed}))
            assert status(server, wrong) == 401, changed
