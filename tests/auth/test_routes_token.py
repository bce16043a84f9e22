"""`/token*` over HTTP: the dialect of RFC 6749, and what it must not tell."""

import httpx2
import jwt
import pytest

from foretell.auth.identity import Identity
from foretell.core.principal import Role
from tests.auth.conftest import OPTIONS, PASSWORD, Connect, add_user, sign_in

Client = httpx2.AsyncClient


async def post(client: Client, path: str = "/token", **form: str) -> httpx2.Response:
    return await client.post(path, data=form)


async def test_a_password_gives_tokens(identity: Identity, client: Client) -> None:
    await add_user(identity)
    answer = await post(
        client, grant_type="password", username="ann@x.org", password=PASSWORD
    )
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    wanted = {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert set(body) == wanted
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    me = await client.get(
        "/api/me", headers={"Authorization": f"Bearer {body['access_token']}"}
    )
    assert me.json()["email"] == "ann@x.org"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "password", "username": "a@x.org"}, "invalid_request"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        (
            {"grant_type": "password", "username": "a@x.org", "password": "wrong"},
            "invalid_grant",
        ),
        (
            {"grant_type": "password", "username": "\x00", "password": "\x00"},
            "invalid_grant",
        ),
        (
            {"grant_type": "password", "username": "a@x.org", "password": "b" * 73},
            "invalid_grant",
        ),
    ],
)
async def test_d20_refusals_are_400_in_the_words_of_oauth(
    client: Client, form: dict[str, str], error: str
) -> None:
    answer = await client.post("/token", data=form)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.json()["error"] == error


@pytest.mark.parametrize("path", ["/token", "/token/revoke"])
async def test_a14_other_bodies_are_refused(client: Client, path: str) -> None:
    form = "application/x-www-form-urlencoded"
    for content, kind in [
        (b'[{"username": "a"}]', "application/json"),
        (b"", "text/plain"),
        (b"token=a&token=b&grant_type=password&grant_type=password", form),
        (b"\xff\xfe", form),
        (b"token=%ff&grant_type=%ff", form),
        (b"&".join(b"a%d=1" % n for n in range(100)), form),
    ]:
        answer = await client.post(
            path, content=content, headers={"Content-Type": kind}
        )
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_request"


async def test_a_form_beyond_64_kib_is_refused(client: Client) -> None:
    answer = await post(client, grant_type="x" * 70_000)
    assert answer.status_code == 413
    assert set(answer.json()) == {"error", "error_description"}


async def test_a08_unknown_accounts_look_like_wrong_passwords(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    answers = [
        await post(
            connect(address=f"192.0.2.{n}"),
            grant_type="password",
            username=email,
            password="wrong",
        )
        for n, email in enumerate(["ann@x.org", "nobody@x.org", "ann", ""], start=1)
    ]
    known, unknown, odd, _ = answers
    assert known.content == unknown.content == odd.content
    names = [
        {k: v for k, v in a.headers.items() if k != "x-request-id"} for a in answers[:3]
    ]
    assert names[0] == names[1] == names[2]


async def test_d27_thirty_wrong_passwords_are_slowed_down(
    identity: Identity, client: Client
) -> None:
    await add_user(identity)
    answers = [
        await post(
            client, grant_type="password", username="ann@x.org", password="wrong"
        )
        for _ in range(30)
    ]
    assert [a.status_code for a in answers] == [400] * 5 + [429] * 25
    assert answers[-1].headers["retry-after"] == "60"
    assert set(answers[-1].json()) == {"error", "error_description"}


async def test_d33_a_refresh_token_renews_once(
    identity: Identity, client: Client
) -> None:
    await add_user(identity)
    first = await sign_in(client)
    second = await post(
        client, grant_type="refresh_token", refresh_token=first["refresh_token"]
    )
    assert second.status_code == 200
    third = await post(
        client, grant_type="refresh_token", refresh_token=second.json()["refresh_token"]
    )
    replay = await post(
        client, grant_type="refresh_token", refresh_token=first["refresh_token"]
    )
    assert replay.status_code == 400
    newest = await post(
        client, grant_type="refresh_token", refresh_token=third.json()["refresh_token"]
    )
    assert newest.json()["error"] == "invalid_grant"


async def test_c08_revoking_is_always_200_and_acts(
    identity: Identity, client: Client
) -> None:
    await add_user(identity)
    tokens = await sign_in(client)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await client.get("/api/me", headers=headers)).status_code == 200
    assert (await post(client, "/token/revoke", token="x")).status_code == 200
    gone = await post(client, "/token/revoke", token=tokens["refresh_token"])
    assert gone.status_code == 200
    answer = await client.get("/api/me", headers=headers)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_stale_header_does_not_keep_anybody_from_signing_in(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity)
    assert await sign_in(connect(token="a.stale.token"))


async def test_b14_a_token_in_the_query_does_not_count(
    identity: Identity, client: Client
) -> None:
    await add_user(identity)
    token = (await sign_in(client))["access_token"]
    answer = await client.get("/api/me", params={"access_token": token})
    assert answer.status_code == 401


async def test_d31_b15_every_401_says_bearer(client: Client) -> None:
    missing = await client.get("/api/me")
    wrong = await client.get("/api/me", headers={"Authorization": "Bearer x"})
    assert missing.headers["www-authenticate"] == 'Bearer realm="foretell"'
    assert wrong.headers["www-authenticate"].endswith('error="invalid_token"')
    assert missing.status_code == wrong.status_code == 401


async def test_b15_f02_a_missing_scope_is_403_and_named(
    identity: Identity, connect: Connect
) -> None:
    await add_user(identity, role=Role.EDITOR)
    tokens = await sign_in(connect())
    answer = await connect(token=tokens["access_token"]).get("/api/users")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_d03_the_public_keys_verify_our_tokens(
    identity: Identity, client: Client
) -> None:
    await add_user(identity)
    token = (await sign_in(client))["access_token"]
    answer = await client.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(k for k in answer.json()["keys"] if k["kid"] == kid)
    claims = jwt.decode(
        token,
        jwt.PyJWK(key),
        algorithms=["ES256"],
        audience="foretell",
        issuer=OPTIONS.issuer,
        options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )
    assert isinstance(claims["sub"], str)
