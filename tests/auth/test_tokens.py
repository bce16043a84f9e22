"""Checklist B: what a token may not get away with."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import text

from foretell.auth.errors import CredentialInvalid
from foretell.auth.identity import Identity
from foretell.auth.tokens import AUDIENCE
from foretell.core.clock import FakeClock
from tests.auth.conftest import OPTIONS

ISSUER = OPTIONS.issuer


def encoded(part: bytes | dict[str, Any]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Forge:
    """Signs whatever a test likes with the server's own key."""

    def __init__(self, identity: Identity, pair: Any, now: int) -> None:
        self.identity = identity
        self.pair = pair
        self.header = {"alg": "ES256", "typ": "at+jwt", "kid": pair.kid}
        self.claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "1",
            "exp": now + 600,
            "iat": now,
            "nbf": now,
            "jti": "j",
            "sid": "",
            "ver": 1,
            "scope": "models:read",
        }

    def sign(self, claims: bytes | dict[str, Any], **header: Any) -> str:
        signed = f"{encoded(self.header | header)}.{encoded(claims)}"
        algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
        signature = algorithm.sign(signed.encode(), self.pair.private)
        return f"{signed}.{encoded(signature)}"

    async def is_taken(self, token: str) -> bool:
        try:
            await self.identity.tokens.read(token)
        except CredentialInvalid:
            return False
        return True


@pytest.fixture
async def forge(identity: Identity, clock: FakeClock) -> Forge:
    pair = await identity.keyring.signing()
    return Forge(identity, pair, int(clock.now().timestamp()))


async def test_an_honest_token_is_taken(forge: Forge) -> None:
    assert await forge.is_taken(forge.sign(forge.claims))


async def test_b16_a_token_holds_nothing_about_the_person(identity: Identity) -> None:
    token = await identity.tokens.issue("42", version=3, scope="jobs:read")
    header, claims = (decoded(part) for part in token.split(".")[:2])
    assert header["typ"] == "at+jwt"
    assert set(header) == {"alg", "typ", "kid"}
    assert claims["sub"] == "42"
    wanted = {"iss", "aud", "sub", "exp", "iat", "nbf", "jti", "sid", "ver", "scope"}
    assert set(claims) == wanted
    assert claims["exp"] - claims["iat"] == 600


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", "HS256", "ES384"])
async def test_b01_other_algorithms_are_refused(forge: Forge, algorithm: str) -> None:
    token = forge.sign(forge.claims, alg=algorithm)
    unsigned = token.rpartition(".")[0] + "."
    assert not await forge.is_taken(token)
    assert not await forge.is_taken(unsigned)


async def test_b02_the_public_key_is_no_hmac_secret(forge: Forge) -> None:
    public = forge.pair.private.public_key()
    forms = [
        public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
    ]
    forms.append(jwt.algorithms.ECAlgorithm.to_jwk(public).encode())
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    for secret in forms:
        for alg in ("HS256", "ES256"):
            signed = f"{encoded(forge.header | {'alg': alg})}.{encoded(forge.claims)}"
            token = f"{signed}.{encoded(hmac.sign(signed.encode(), secret))}"
            assert not await forge.is_taken(token)


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"])
async def test_b03_b05_a_token_brings_no_key_and_no_extension(
    forge: Forge, name: str
) -> None:
    value = {"crit": ["x"], "b64": False}.get(name, "https://evil.example/keys")
    assert not await forge.is_taken(forge.sign(forge.claims, **{name: value}))


@pytest.mark.parametrize(
    "kid", ["../../etc/passwd", "' OR 1=1 --", "x" * 10_240, "", "unknown", None, 7]
)
async def test_b04_no_kid_leads_anywhere(forge: Forge, kid: Any) -> None:
    assert not await forge.is_taken(forge.sign(forge.claims, kid=kid))


@pytest.mark.parametrize(
    ("change", "is_taken"),
    [
        ({"exp": -6}, False),
        ({"exp": -4}, True),
        ({"iat": 4}, True),
        ({"iat": 40}, False),
        ({"nbf": 4}, True),
        ({"nbf": 40}, False),
    ],
)
async def test_b06_times_count_to_the_seconds(
    forge: Forge, clock: FakeClock, change: dict[str, int], is_taken: bool
) -> None:
    now = int(clock.now().timestamp())
    moved = {name: now + by for name, by in change.items()}
    assert await forge.is_taken(forge.sign(forge.claims | moved)) is is_taken


@pytest.mark.parametrize(
    "name", ["exp", "iss", "aud", "sub", "jti", "iat", "sid", "ver", "scope"]
)
async def test_b07_a_missing_claim_is_refused(forge: Forge, name: str) -> None:
    claims = {key: value for key, value in forge.claims.items() if key != name}
    assert not await forge.is_taken(forge.sign(claims))


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"},
        {"aud": ["foretell"]},
        {"aud": ""},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": 18},
        {"sub": ""},
    ],
)
async def test_b08_b09_tokens_for_and_of_others_are_refused(
    forge: Forge, change: dict[str, Any]
) -> None:
    assert not await forge.is_taken(forge.sign(forge.claims | change))


@pytest.mark.parametrize("kind", ["JWT", "id_token+jwt", "rt+jwt", "", None])
async def test_b10_another_type_is_no_access_token(forge: Forge, kind: Any) -> None:
    assert not await forge.is_taken(forge.sign(forge.claims, typ=kind))


async def test_b11_a_huge_token_costs_nothing(forge: Forge) -> None:
    token = f"{encoded(forge.header)}.{'A' * 1_000_000}.{'A' * 86}"
    started = time.perf_counter()
    assert not await forge.is_taken(token)
    assert time.perf_counter() - started < 0.1


async def test_b12_claims_are_read_strictly(forge: Forge) -> None:
    honest = json.dumps(forge.claims)
    exp = f'"exp": {forge.claims["exp"]}'
    assert exp in honest
    odd = [
        honest.replace(exp, exp + ', "sub": "2"'),
        honest.replace(exp, f'"exp": "{forge.claims["exp"]}"'),
        honest.replace(exp, '"exp": 1e400'),
        honest.replace(exp, '"exp": NaN'),
        honest.replace(exp, '"exp": true'),
        honest.replace(exp, f'"exp": {forge.claims["exp"]}.0'),
        honest + "x",
        "[]",
        "",
    ]
    for claims in odd:
        assert not await forge.is_taken(forge.sign(claims.encode()))


@pytest.mark.parametrize("signature", [b"\0" * 64, b"\0" * 63, b"\0" * 65, b"", b"\1"])
async def test_b13_empty_signatures_are_refused(forge: Forge, signature: bytes) -> None:
    signed = forge.sign(forge.claims).rpartition(".")[0]
    assert not await forge.is_taken(f"{signed}.{encoded(signature)}")


async def test_d03_the_key_set_has_public_parts_alone(forge: Forge) -> None:
    keys = (await forge.identity.keyring.public_jwks())["keys"]
    assert [key["kid"] for key in keys] == [forge.pair.kid]
    assert set(keys[0]) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text(max_size=60))
async def test_no_text_is_a_token(forge: Forge, anything: str) -> None:
    for token in (anything, f"{anything}.{anything}.{anything}"):
        assert not await forge.is_taken(token)
