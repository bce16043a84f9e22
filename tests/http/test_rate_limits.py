"""RATE_LIMIT over HTTP: who is counted, what is told, and what is never counted."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy import event

from foretell import Extension
from foretell.app import create_app
from foretell.auth.opaque import new_api_key
from foretell.core.clock import FakeClock
from foretell.extension.definition import Extension as Definition
from foretell.http.sharing import Sharing
from foretell.settings import Settings, load_settings
from foretell.testing import (
    database_url,
    foretell_blank,
    sign_in,
)
from foretell.testing.people import PASSWORD, SignIn
from foretell.testing.unmigrated import make_tables
from tests.brokers import RedisServer

__all__ = ["database_url", "foretell_blank", "sign_in"]

LIMIT = 4


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(params=["process", "redis"])
def settings(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    database_url: str,
    redis: RedisServer,
) -> Settings:
    return load_settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        redis_url=redis.url if request.param == "redis" else None,
        rate_limit=f"{LIMIT}/hour",
        cors_origins=["https://front.example"],
        allowed_hosts=["testserver"],
    )


async def forget_counts(settings: Settings) -> None:
    """Empty Redis of what the test before counted."""
    assert settings.redis_url is not None
    url = settings.redis_url.get_secret_value()
    async with AsyncRedis.from_url(url) as client:
        await client.flushdb()


@asynccontextmanager
async def started(
    settings: Settings, extensions: Sequence[Definition] = ()
) -> AsyncIterator[FastAPI]:
    app = create_app(
        settings, extensions=extensions, clock=FakeClock(), with_worker=False
    )
    await make_tables(app.state.foretell)
    async with app.router.lifespan_context(app):
        sharing = app.state.foretell.port(Sharing)
        if sharing.shared is not None:
            # Its first answer may be late on a busy machine: the application started.
            async with asyncio.timeout(30):
                while not sharing.shared.is_there:
                    await asyncio.sleep(0.01)
            await forget_counts(settings)
            # Nothing is to be counted alone on a busy machine.
            if sharing.rates is not None:
                sharing.rates._patience_seconds = 10
        yield app


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    async with started(settings) as app:
        yield app


@pytest.fixture
async def nobody(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with at(app, "192.0.2.1") as client:
        yield client


def at(app: FastAPI, address: str, **headers: str) -> httpx2.AsyncClient:
    """A client at an address of the network."""
    transport = httpx2.ASGITransport(app=app, client=(address, 4000))
    return httpx2.AsyncClient(
        transport=transport, base_url="http://testserver", headers=headers
    )


def said(answer: httpx2.Response) -> tuple[int, int]:
    """Remaining requests and seconds of the header `RateLimit`."""
    assert answer.headers["ratelimit-policy"] == f'"caller";q={LIMIT};w=3600'
    found = re.fullmatch(r'"caller";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found
    return int(found[1]), int(found[2])


async def test_a_stranger_is_counted_by_address_and_told_what_is_left(app, nobody):
    for left in reversed(range(LIMIT)):
        answer = await nobody.get("/api/version")
        assert answer.status_code == 200
        assert said(answer)[0] == left
        assert 850 < said(answer)[1] <= 3_600
    refused = await nobody.get("/api/version")
    assert refused.status_code == 429
    assert said(refused)[0] == 0
    assert 850 < int(refused.headers["retry-after"]) <= 900
    assert said(refused)[1] <= int(refused.headers["retry-after"])
    problem = refused.json()
    assert problem["type"].endswith("/too-many-requests")
    assert problem["status"] == 429
    assert problem["request_id"] == refused.headers["x-request-id"]
    assert refused.headers["content-type"] == "application/problem+json"
    async with at(app, "192.0.2.2") as other:
        assert (await other.get("/api/version")).status_code == 200


async def test_a_user_is_counted_whatever_they_show_and_wherever_they_are(app, sign_in):
    client = await sign_in("viewer", email="ann@example.org")
    made = await client.post("/api/keys", json={"name": "k", "scopes": ["models:read"]})
    key = made.json()["key"]
    assert said(made)[0] == LIMIT - 1
    async with at(app, "198.51.100.7", Authorization=f"Bearer {key}") as elsewhere:
        for left in (2, 1, 0):
            answer = await elsewhere.get("/api/models")
            assert (answer.status_code, said(answer)[0]) == (200, left)
        assert (await elsewhere.get("/api/models")).status_code == 429
    assert (await client.get("/api/me")).status_code == 429
    other = await sign_in("viewer")
    assert (await other.get("/api/me")).status_code == 200


async def test_a_browser_session_is_its_user(app, sign_in):
    await sign_in("viewer", email="ann@example.org")
    async with at(app, "192.0.2.9") as browser:
        body = {"email": "ann@example.org", "password": PASSWORD}
        opened = await browser.post("/api/session", json=body)
        assert opened.status_code == 201
        assert said(opened)[0] == LIMIT - 1  # of the address
        assert said(await browser.get("/api/me"))[0] == LIMIT - 1  # of the user


async def test_credentials_that_do_not_count_are_counted_by_address(app, nobody):
    """And past the limit the database is not asked."""
    headers = {"Authorization": f"Bearer {new_api_key()[1]}"}
    for _ in range(LIMIT):
        assert (await nobody.get("/api/me", headers=headers)).status_code == 401
    asked: list[str] = []
    event.listen(
        app.state.foretell.database.reading_engine.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: asked.append(statement),
    )
    assert (await nobody.get("/api/me", headers=headers)).status_code == 429
    assert not [statement for statement in asked if "api_keys" in statement]
    async with at(app, "192.0.2.77", **headers) as elsewhere:
        assert (await elsewhere.get("/api/me")).status_code == 401
    assert [statement for statement in asked if "api_keys" in statement]


async def test_a_user_whose_credential_is_known_is_let_in_from_a_spent_address(
    app, sign_in
):
    signed = await sign_in("viewer")
    sent = {"Authorization": signed.headers["authorization"]}
    async with at(app, "192.0.2.3", **sent) as client, at(app, "192.0.2.3") as stranger:
        assert (await client.get("/api/me")).status_code == 200
        for _ in range(LIMIT + 1):
            last = await stranger.get("/api/version")
        assert last.status_code == 429
        assert (await client.get("/api/me")).status_code == 200


async def test_the_fast_path_of_predictions_is_counted_too(sign_in):
    client = await sign_in("viewer")
    for left in reversed(range(LIMIT)):
        answer = await client.post("/api/models/none/predict", json={"rows": []})
        assert (answer.status_code, said(answer)[0]) == (404, left)
    answer = await client.post("/api/models/none/predict", json={"rows": []})
    assert answer.status_code == 429


async def test_probes_files_and_preflights_are_never_counted(nobody):
    asked = {
        "Origin": "https://front.example",
        "Access-Control-Request-Method": "GET",
    }
    for _ in range(LIMIT + 2):
        for path in ("/healthz", "/readyz", "/metrics", "/static/docs.js"):
            answer = await nobody.get(path)
            assert answer.status_code == 200, path
            assert "ratelimit" not in answer.headers
        assert (await nobody.options("/api/me", headers=asked)).status_code == 200
    assert said(await nobody.get("/api/version"))[0] == LIMIT - 1


async def test_a_front_end_can_read_a_refusal(nobody):
    headers = {"Origin": "https://front.example"}
    for _ in range(LIMIT + 1):
        answer = await nobody.get("/api/version", headers=headers)
    assert answer.status_code == 429
    assert answer.headers["access-control-allow-origin"] == "https://front.example"
    shown = answer.headers["access-control-expose-headers"].lower()
    assert "ratelimit" in shown
    assert "retry-after" in shown


async def test_other_dialects_refuse_in_their_own_words(nobody):
    for _ in range(LIMIT + 1):
        answer = await nobody.post("/token", data={})
    assert answer.status_code == 429
    assert answer.headers["retry-after"]
    assert set(answer.json()) <= {"error", "error_description"}


async def test_ipv4_callers_of_a_socket_for_both_kinds_are_told_apart(app):
    """Their addresses read `::ffff:192.0.2.1`: one /64 of IPv6."""
    async with at(app, "::ffff:192.0.2.1") as one, at(app, "::ffff:192.0.2.2") as two:
        assert said(await one.get("/api/version"))[0] == LIMIT - 1
        assert said(await two.get("/api/version"))[0] == LIMIT - 1
    async with at(app, "2001:db8::1") as one, at(app, "2001:db8::2") as two:
        assert said(await one.get("/api/version"))[0] == LIMIT - 1
        assert said(await two.get("/api/version"))[0] == LIMIT - 2


async def test_what_was_refused_and_found_is_in_the_figures(nobody, settings):
    for _ in range(LIMIT + 3):
        await nobody.get("/api/version")
    text = (await nobody.get("/metrics")).text
    assert 'foretell_rate_limited_total{caller="address"} 3.0' in text
    assert 'foretell_rate_limited_total{caller="user"} 0.0' in text
    if settings.redis_url is not None:
        assert "foretell_rate_limit_alone_total 0.0" in text
        assert "foretell_shared_store_up 1.0" in text


async def test_a_word_of_an_extension_for_bearer_names_the_user(
    settings, sign_in_under
):
    async with sign_in_under() as (app, client):
        assert said(await client.get("/conduit/api/whoami"))[0] == LIMIT - 1
        assert said(await client.get("/conduit/api/whoami"))[0] == LIMIT - 2
        async with at(app, "192.0.2.5") as stranger:
            assert said(await stranger.get("/api/version"))[0] == LIMIT - 1


async def test_nothing_is_counted_without_the_setting(settings):
    free = settings.model_copy(update={"rate_limit": None})
    async with started(free) as app, at(app, "192.0.2.1") as client:
        answers = [await client.get("/api/version") for _ in range(LIMIT * 3)]
        assert {a.status_code for a in answers} == {200}
        assert "ratelimit" not in answers[0].headers
        assert "foretell_rate_limit" not in (await client.get("/metrics")).text


async def test_redis_that_hangs_refuses_nobody_and_makes_no_error(
    tmp_path, database_url
):
    with RedisServer() as redis:
        settings = load_settings(
            data_dir=tmp_path / "data",
            database_url=database_url,
            redis_url=redis.url,
            rate_limit=f"{LIMIT}/hour",
            allowed_hosts=["testserver"],
        )
        async with started(settings) as app, at(app, "192.0.2.1") as client:
            app.state.foretell.port(Sharing).rates._patience_seconds = 0.02
            redis.freeze()
            statuses = [
                (await client.get("/api/version")).status_code for _ in range(LIMIT + 1)
            ]
            assert statuses == [200] * LIMIT + [429]
            ready = await client.get("/readyz")
            assert ready.status_code == 200
            assert ready.json()["status"] == "degraded"
            assert ready.json()["parts"]["redis"]["ok"] is False
            text = (await client.get("/metrics")).text
            assert f"foretell_rate_limit_alone_total {LIMIT}.0" in text
            assert "foretell_shared_store_up 0.0" in text


@pytest.fixture
def sign_in_under(settings):
    """A client that says `Token` under the path of an extension."""
    conduit = Extension("conduit", prefix="/conduit/api", token_scheme="Token")

    @conduit.router.get("/whoami")
    async def whoami() -> dict[str, str]:
        return {}

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
        async with AsyncExitStack() as stack:
            app = await stack.enter_async_context(started(settings, [conduit]))
            signed = await SignIn(app, stack)("viewer")
            token = signed.headers["authorization"].removeprefix("Bearer ")
            client = at(app, "192.0.2.5", Authorization=f"Token {token}")
            yield app, await stack.enter_async_context(client)

    return opened
