from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from foretell.auth import authenticator, opaque
from foretell.auth.authenticator import IdentityAuthenticator
from foretell.auth.cookies import PLAIN_COOKIE, SECURE_COOKIE
from foretell.auth.credential_store import LookupStore
from foretell.auth.errors import CredentialInvalid, CsrfFailed
from foretell.auth.identity import Identity, create_access_token
from foretell.auth.keys import NewKey
from foretell.auth.service import UserChange, cli_principal
from foretell.auth.sessions import OpenedSession
from foretell.auth.store import EpochStore
from foretell.auth.work import AuthOptions
from foretell.core.clock import FakeClock
from foretell.core.db import Database
from foretell.core.outages import DatabaseUnavailable
from foretell.core.principal import Role
from tests.auth.conftest import PASSWORD, add_user, bearer, identity_on, principal_of


async def open_session(identity: Identity) -> OpenedSession:
    async with identity.unit_of_work() as services:
        opened = await services.sessions.open("ann@x.org", PASSWORD)
    assert isinstance(opened, OpenedSession)
    return opened


def cookie_of(opened: OpenedSession, name: str = PLAIN_COOKIE) -> dict[bytes, bytes]:
    return {b"cookie": f"{name}={opened.cookie}".encode(), b"host": b"testserver"}


async def a_key(identity: Identity, *scopes: str) -> str:
    user = await add_user(identity)
    async with identity.unit_of_work() as services:
        made = await services.keys.create(principal_of(user), NewKey("k", [*scopes]))
    return made.key


async def test_without_a_credential_nobody_calls(identity: Identity) -> None:
    for headers in ({}, {b"cookie": b"theme=dark"}, {b"authorization": b"Basic eA=="}):
        found = await identity.authenticator.authenticate(headers, is_safe_method=True)
        assert found is None


async def test_d29_d32_the_caller_is_the_user_with_text_ids(
    identity: Identity,
) -> None:
    user = await add_user(identity, role=Role.EDITOR)
    token = await create_access_token(identity, user.id)
    found = await identity.authenticator.authenticate(
        bearer(token), is_safe_method=False
    )
    assert found is not None
    assert (found.user_id, found.email, found.role) == (user.id, user.email, "editor")


async def test_d30_a_token_of_nobody_counts_for_nothing(identity: Identity) -> None:
    token = await identity.tokens.issue("999999", version=1, scope="users:write")
    with pytest.raises(CredentialInvalid) as refused:
        await identity.authenticator.authenticate(bearer(token), is_safe_method=True)
    assert 'error="invalid_token"' in refused.value.headers["WWW-Authenticate"]


async def test_a_token_gives_no_more_than_the_role(identity: Identity) -> None:
    user = await add_user(identity)
    wanted = frozenset({"users:write", "models:read"})
    token = await create_access_token(identity, user.id, scopes=wanted)
    found = await identity.authenticator.authenticate(
        bearer(token), is_safe_method=True
    )
    assert found is not None
    assert found.scopes == {"models:read"}


@pytest.mark.parametrize(
    "credential",
    ["", "x", "ftl_", "a.b.c", "é", "x" * 100_000, "ftr_" + "a" * 43, "null"],
)
async def test_no_text_passes_for_a_credential(
    identity: Identity, credential: str
) -> None:
    with pytest.raises(CredentialInvalid):
        await identity.authenticator.authenticate(
            bearer(credential), is_safe_method=True
        )


async def test_f06_a_malformed_key_is_refused_without_the_database(
    clock: FakeClock,
) -> None:
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    identity = identity_on(nowhere, clock)
    with pytest.raises(CredentialInvalid):
        await identity.authenticator.authenticate(
            bearer("ftl_aaaaaaaaaa_" + "b" * 49), is_safe_method=True
        )
    await nowhere.close()


async def test_j07_without_the_database_nobody_gets_in(
    identity: Identity, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await a_key(identity, "models:read")
    assert await identity.authenticator.authenticate(bearer(key), is_safe_method=True)
    await identity.usage.written()
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    monkeypatch.setattr(identity, "_database", nowhere)
    assert identity.authenticator.authenticate_cached(bearer(key)) is not None
    clock.advance(seconds=1)
    assert identity.authenticator.authenticate_cached(bearer(key)) is None
    with pytest.raises(DatabaseUnavailable):
        await identity.authenticator.authenticate(bearer(key), is_safe_method=True)
    await nowhere.close()


async def test_an_answer_is_remembered_for_seconds_only(
    identity: Identity, clock: FakeClock
) -> None:
    key = await a_key(identity, "models:read")
    headers = bearer(key)
    assert identity.authenticator.authenticate_cached(headers) is None
    found = await identity.authenticator.authenticate(headers, is_safe_method=True)
    assert identity.authenticator.authenticate_cached(headers) is found
    clock.advance(hours=-2)
    assert identity.authenticator.authenticate_cached(headers) is None


async def test_a_remembered_token_ends_when_the_token_does(
    identity: Identity, clock: FakeClock
) -> None:
    user = await add_user(identity)
    token = await create_access_token(identity, user.id)
    clock.advance(minutes=9, seconds=59.5)
    headers = bearer(token)
    assert await identity.authenticator.authenticate(headers, is_safe_method=True)
    clock.advance(seconds=0.6)
    assert identity.authenticator.authenticate_cached(headers) is None


async def test_what_was_read_before_a_withdrawal_is_not_remembered(
    identity: Identity, clock: FakeClock
) -> None:
    user = await add_user(identity)
    headers = bearer(await create_access_token(identity, user.id))
    reads: list[str] = []

    async def withdraw() -> None:
        async with identity.unit_of_work() as services:
            change = UserChange(disabled=True)
            await services.accounts.change(cli_principal(), user.id, change)
        asked.forget()
        with pytest.raises(CredentialInvalid):
            await asked.authenticate(headers, is_safe_method=True)

    @asynccontextmanager
    async def interrupted() -> AsyncIterator[tuple[LookupStore, EpochStore]]:
        reads.append("epoch" if not reads else "user")
        number = len(reads)
        async with identity._lookups() as stores:
            yield stores
        if number == 2:  # the user has been read, and nothing remembered yet
            await withdraw()

    asked = IdentityAuthenticator(
        lookups=interrupted,
        tokens=identity.tokens,
        usage=identity.usage,
        clock=clock,
        options=identity.options,
        csrf_key=b"k",
    )
    assert await asked.authenticate(headers, is_safe_method=True)
    assert len(reads) > 2
    assert asked.authenticate_cached(headers) is None


async def test_f03_an_expired_or_deleted_key_is_refused_at_once(
    identity: Identity, clock: FakeClock
) -> None:
    key = await a_key(identity, "models:read")
    assert await identity.authenticator.authenticate(bearer(key), is_safe_method=True)
    clock.advance(days=90)
    with pytest.raises(CredentialInvalid):
        await identity.authenticator.authenticate(bearer(key), is_safe_method=True)


async def test_another_secret_with_a_known_id_is_no_key(identity: Identity) -> None:
    key = await a_key(identity, "models:read")
    body = key[:15] + opaque.new_secret()
    with pytest.raises(CredentialInvalid):
        await identity.authenticator.authenticate(
            bearer(body + opaque._checksum(body)), is_safe_method=True
        )


async def test_e03_e04_a_cookie_changes_nothing_without_its_own_csrf_token(
    identity: Identity,
) -> None:
    await add_user(identity)
    one, other = await open_session(identity), await open_session(identity)
    headers = cookie_of(one)
    ask = identity.authenticator.authenticate
    assert await ask(headers, is_safe_method=True)
    for token in (b"", b"x", other.csrf_token.encode(), one.cookie.encode()):
        with pytest.raises(CsrfFailed):
            await ask(headers | {b"x-csrf-token": token}, is_safe_method=False)
    own = headers | {b"x-csrf-token": one.csrf_token.encode()}
    assert await ask(own, is_safe_method=False)


@pytest.mark.parametrize(
    ("sent", "is_let_in"),
    [
        ({}, True),
        ({b"origin": b"http://testserver"}, True),
        ({b"origin": b"https://front.example"}, True),
        ({b"origin": b"https://front.example", b"sec-fetch-site": b"cross-site"}, True),
        ({b"sec-fetch-site": b"same-origin"}, True),
        ({b"origin": b"null"}, False),
        ({b"origin": b"https://evil.example"}, False),
        ({b"origin": b"http://testserver.evil.example"}, False),
        ({b"sec-fetch-site": b"cross-site"}, False),
        ({b"sec-fetch-site": b"same-site"}, False),
        ({b"origin": b"http://testserver", b"sec-fetch-site": b"cross-site"}, False),
        ({b"origin": b"\xff"}, False),
    ],
)
async def test_e05_only_pages_of_ours_and_of_named_front_ends_change_things(
    database: Database, clock: FakeClock, sent: dict[bytes, bytes], is_let_in: bool
) -> None:
    options = AuthOptions(
        "http://testserver", origins=frozenset({"https://front.example"})
    )
    identity = identity_on(database, clock, options)
    await add_user(identity)
    opened = await open_session(identity)
    headers = cookie_of(opened) | {b"x-csrf-token": opened.csrf_token.encode()} | sent
    ask = identity.authenticator.authenticate(headers, is_safe_method=False)
    if is_let_in:
        assert await ask
    else:
        with pytest.raises(CsrfFailed):
            await ask
    await identity.close()


async def test_e06_with_a_bearer_credential_cookies_do_not_count(
    identity: Identity,
) -> None:
    key = await a_key(identity, "models:read")
    opened = await open_session(identity)
    found = await identity.authenticator.authenticate(
        cookie_of(opened) | bearer(key), is_safe_method=False
    )
    assert found is not None
    assert found.method == "key"


async def test_e08_a_session_ends_after_30_idle_minutes_and_after_8_hours(
    identity: Identity, clock: FakeClock
) -> None:
    await add_user(identity)
    headers = cookie_of(await open_session(identity))
    for _ in range(28):
        clock.advance(minutes=17)
        found = await identity.authenticator.authenticate(headers, is_safe_method=True)
        assert found is not None
        await identity.usage.written()
    clock.advance(minutes=5)
    with pytest.raises(CredentialInvalid):
        await identity.authenticator.authenticate(headers, is_safe_method=True)
    idle = cookie_of(await open_session(identity))
    clock.advance(minutes=30)
    with pytest.raises(CredentialInvalid):
        await identity.authenticator.authenticate(idle, is_safe_method=True)


async def test_production_reads_no_cookie_of_plain_http(
    database: Database, clock: FakeClock
) -> None:
    options = AuthOptions("https://ml.example", is_production=True)
    identity = identity_on(database, clock, options)
    await add_user(identity)
    opened = await open_session(identity)
    ask = identity.authenticator.authenticate
    assert await ask(cookie_of(opened), is_safe_method=True) is None
    assert await ask(cookie_of(opened, SECURE_COOKIE), is_safe_method=True)
    await identity.close()


async def test_the_memory_of_answers_is_bounded(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "MAX_REMEMBERED", 3)
    user = await add_user(identity)
    for _ in range(6):
        token = await create_access_token(identity, user.id)
        assert await identity.authenticator.authenticate(
            bearer(token), is_safe_method=True
        )
    assert len(identity.authenticator._remembered) == 3
