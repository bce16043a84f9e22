"""Checklist B: what nobody gets away with in an access token, over HTTP."""

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from tests.auth.test_tokens import Forge, decoded, encoded
from tests.security.clocked import Answer, Client, Clocked, Person


@dataclass(frozen=True, slots=True)
class Forger:
    """Signs with the server's own key what a test likes, for one person."""

    server: Clocked
    person: Person
    forge: Forge

    def claims(self, **changed: Any) -> dict[str, Any]:
        return self.forge.claims | changed

    def sign(self, claims: Any = None, **header: Any) -> str:
        return self.forge.sign(
            claims if claims is not None else self.claims(), **header
        )

    def ask(self, token: str) -> Answer:
        with self.server.client(token) as client:
            return client.get("/api/me")

    def is_taken(self, token: str) -> bool:
        answer = self.ask(token)
        if answer.status_code != 200:
            assert answer.status_code in (401, 431), answer.text
            assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code == 200


@pytest.fixture
def forger(server: Clocked) -> Forger:
    person, now = server.person(), int(server.clock.now().timestamp())
    pair = server.run(server.identity.keyring.signing())
    forge = Forge(server.identity, pair, now)
    forge.claims |= {"iss": server.identity.options.issuer, "sub": person.id}
    made = Forger(server, person, forge)
    assert made.is_taken(made.sign())
    return made


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE"])
def test_b01_an_unsigned_token_is_refused(forger: Forger, algorithm: str) -> None:
    token = forger.sign(alg=algorithm)
    assert not forger.is_taken(token)
    assert not forger.is_taken(token.rpartition(".")[0] + ".")
    assert not forger.is_taken(token.rpartition(".")[0])


def test_b02_the_public_key_is_no_shared_secret(forger: Forger) -> None:
    public = forger.forge.pair.private.public_key()
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = [
        public.public_bytes(serialization.Encoding.PEM, kind),
        public.public_bytes(serialization.Encoding.DER, kind),
        jwt.algorithms.ECAlgorithm.to_jwk(public).encode(),
    ]
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    for secret in secrets:
        for header in ({"alg": "HS256"}, {"alg": "HS256", "typ": "JWT"}):
            head = encoded(forger.forge.header | header)
            signed = f"{head}.{encoded(forger.claims())}"
            signature = encoded(hmac.sign(signed.encode(), secret))
            assert not forger.is_taken(f"{signed}.{signature}")


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server that notes who asks it for a key."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_b03_a_token_brings_no_key_and_sends_nobody_for_one(forger: Forger) -> None:
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(
        forger.forge.pair.private.public_key(), as_dict=True
    )
    with listener() as (url, asked):
        for name, value in (
            ("jwk", jwk),
            ("jku", f"{url}/jwks.json"),
            ("x5u", f"{url}/chain.pem"),
            ("x5c", ["MIIB"]),
        ):
            assert not forger.is_taken(forger.sign(**{name: value})), name
        assert not forger.is_taken(forger.sign(kid=f"{url}/kid"))
    assert asked == []


@pytest.mark.parametrize(
    "kid",
    ["../../etc/passwd", "' OR 1=1 --", "x" * 6_000, "", "unknown", "\0", None, 7],
)
def test_b04_no_kid_leads_anywhere(forger: Forger, kid: Any) -> None:
    assert not forger.is_taken(forger.sign(kid=kid))


def test_b05_an_extension_that_must_be_understood_is_refused(forger: Forger) -> None:
    assert not forger.is_taken(forger.sign(crit=["exp"], exp=1))
    assert not forger.is_taken(forger.sign(crit=["b64"], b64=False))


@pytest.mark.parametrize(
    ("claim", "seconds", "is_taken"),
    [
        ("exp", -30, False),
        ("exp", -4, True),
        ("iat", 4, True),
        ("iat", 31, False),
        ("nbf", 4, True),
        ("nbf", 31, False),
    ],
)
def test_b06_times_hold_with_seconds_of_leeway(
    forger: Forger, claim: str, seconds: int, is_taken: bool
) -> None:
    now = int(forger.server.clock.now().timestamp())
    claims = forger.claims(**{claim: now + seconds})
    assert forger.is_taken(forger.sign(claims)) is is_taken


@pytest.mark.parametrize("name", ["exp", "iss", "aud", "sub", "jti"])
def test_b07_no_claim_may_be_missing(forger: Forger, name: str) -> None:
    claims = forger.claims()
    del claims[name]
    assert not forger.is_taken(forger.sign(claims))


@pytest.mark.parametrize("aud", ["another", ["another"], "", None, "foretell "])
def test_b08_a_token_for_another_service_is_refused(forger: Forger, aud: Any) -> None:
    assert not forger.is_taken(forger.sign(forger.claims(aud=aud)))


@pytest.mark.parametrize("iss", ["https://evil.example", "", None, "foretell/"])
def test_b09_a_token_of_another_issuer_is_refused(forger: Forger, iss: Any) -> None:
    assert not forger.is_taken(forger.sign(forger.claims(iss=iss)))


def test_b10_nothing_else_passes_for_an_access_token(
    forger: Forger, visitor: Client
) -> None:
    server, email = forger.server, forger.person.email
    tokens, browser = server.sign_in(email), server.browser(email)
    assert visitor.post("/api/password/forgot", json={"email": email}).is_success
    session = next(iter(browser.cookies.values()))
    csrf = browser.headers["X-CSRF-Token"]
    reset = server.mailed_token(email)
    for other in (tokens["refresh_token"], reset, session, csrf):
        assert not forger.is_taken(other)
    for typ in ("JWT", "id_token+jwt", "rt+jwt", "", None):
        assert not forger.is_taken(forger.sign(typ=typ)), typ
    browser.close()


def test_b11_a_huge_token_costs_next_to_nothing(forger: Forger) -> None:
    head = encoded(forger.forge.header)
    for size in (9_000, 15_000):
        token = f"{head}.{'A' * size}.{'A' * 86}"
        assert not forger.is_taken(token)
    with forger.server.client("x" * 10) as client:

        def seconds(token: str) -> float:
            headers = {"Authorization": f"Bearer {token}"}
            started = time.perf_counter()
            assert client.get("/api/me", headers=headers).status_code in (401, 431)
            return time.perf_counter() - started

        small = statistics.median(seconds("x" * 20) for _ in range(20))
        large = statistics.median(seconds("A" * 15_000) for _ in range(20))
    assert large - small < 0.005
    # A megabyte does not reach anybody: the server ends the connection or says 431.
    with forger.server.client("A" * 1_000_000) as client:
        try:
            assert client.get("/api/me").status_code in (400, 401, 431)
        except OSError as error:
            pytest.fail(f"no answer: {error}")


def test_b12_claims_are_read_strictly(forger: Forger) -> None:
    honest, now = json.dumps(forger.claims()), forger.forge.claims["exp"]
    exp = f'"exp": {now}'
    assert exp in honest
    for odd in (
        honest.replace(exp, f'{exp}, "sub": "2"'),
        honest.replace(exp, f'"exp": 1, {exp}'),
        honest.replace(exp, f'"exp": "{now}"'),
        honest.replace(exp, '"exp": 1e400'),
        honest.replace(exp, '"exp": NaN'),
    ):
        assert not forger.is_taken(forger.sign(odd.encode())), odd


@pytest.mark.parametrize("signature", [b"\0" * 64, b"\0" * 63, b"\0" * 65, b""])
def test_b13_an_empty_signature_is_none(forger: Forger, signature: bytes) -> None:
    signed = forger.sign().rpartition(".")[0]
    assert not forger.is_taken(f"{signed}.{encoded(signature)}")


def test_b14_a_token_in_the_query_does_not_count(
    forger: Forger, visitor: Client
) -> None:
    token = forger.server.sign_in(forger.person.email)["access_token"]
    for name in ("access_token", "token", "api_key", "key"):
        assert visitor.get("/api/me", params={name: token}).status_code == 401


def test_b15_refusals_say_what_is_missing(forger: Forger, visitor: Client) -> None:
    none = visitor.get("/api/me")
    assert none.status_code == 401
    assert none.headers["www-authenticate"].startswith("Bearer ")
    assert "error=" not in none.headers["www-authenticate"]
    wrong = forger.ask("a.b.c")
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    token = forger.server.sign_in(forger.person.email)["access_token"]
    with forger.server.client(token) as viewer:
        lacking = viewer.get("/api/users")
    assert lacking.status_code == 403
    challenge = lacking.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="users:read"' in challenge


def test_b16_a_token_tells_nothing_about_the_person(forger: Forger) -> None:
    token = forger.server.sign_in(forger.person.email)["access_token"]
    header, claims = (decoded(part) for part in token.split(".")[:2])
    assert set(header) == {"alg", "typ", "kid"}
    wanted = {"iss", "aud", "sub", "exp", "iat", "nbf", "jti", "sid", "ver", "scope"}
    assert set(claims) == wanted
    assert claims["sub"] == forger.person.id
    for word in (forger.person.email, "Ann", "viewer"):
        assert word not in json.dumps([header, claims])
