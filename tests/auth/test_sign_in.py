"""Signing in, and what happens to those who guess."""

import asyncio

import pytest
from sqlalchemy import event

from foretell.auth.audit import AuditFilter, Origin
from foretell.auth.errors import SignInFailed, TooManyFailures
from foretell.auth.identity import Identity
from foretell.auth.passwords import PasswordHasher
from foretell.auth.service import UserChange, cli_principal
from foretell.auth.tables import User
from foretell.core.clock import FakeClock
from foretell.core.pagination import Cursors
from foretell.errors import ForetellError
from tests.auth.conftest import PASSWORD, add_user, identity_on


async def attempt(
    identity: Identity, email: str, password: str, address: str = "192.0.2.1"
) -> User | ForetellError:
    async with identity._database.writing() as session:
        services = identity.services(session, Origin(address))
        found = await services.sessions._sign_in.check(
            email, password, method="session"
        )
    return found


async def test_the_right_password_signs_in_in_any_case_of_the_email(
    identity: Identity,
) -> None:
    await add_user(identity)
    assert isinstance(await attempt(identity, "ANN@X.org", PASSWORD), User)
    wrong = await attempt(identity, "ann@x.org", PASSWORD.upper())
    assert isinstance(wrong, SignInFailed)


@pytest.mark.parametrize(
    "email",
    ["", "nobody@x.org", "a\x00@x.org", "\ud800", "x" * 5000, "' OR 1=1 --", "ann"],
)
async def test_any_name_is_answered_like_a_wrong_password(
    identity: Identity, email: str
) -> None:
    await add_user(identity)
    for password in ("", PASSWORD, "a" * 73, "\x00", "\ud800", "x" * 100_000):
        refused = await attempt(identity, email, password, "")
        assert isinstance(refused, SignInFailed | TooManyFailures)


async def test_a_disabled_account_is_answered_like_a_wrong_password(
    identity: Identity,
) -> None:
    user = await add_user(identity)
    async with identity.unit_of_work() as services:
        change = UserChange(disabled=True)
        await services.accounts.change(cli_principal(), user.id, change)
    assert isinstance(await attempt(identity, "ann@x.org", PASSWORD), SignInFailed)


async def test_a11_an_account_is_throttled_whatever_the_address(
    identity: Identity,
) -> None:
    await add_user(identity)
    answers = [
        await attempt(identity, "ann@x.org", "wrong", f"198.51.100.{n}")
        for n in range(30)
    ]
    assert [isinstance(a, SignInFailed) for a in answers] == [True] * 5 + [False] * 25
    last = answers[-1]
    assert isinstance(last, TooManyFailures)
    assert last.retry_after_seconds == 60
    right = await attempt(identity, "ann@x.org", PASSWORD, "203.0.113.1")
    assert isinstance(right, TooManyFailures)


async def test_a12_spraying_many_accounts_is_throttled_by_address(
    identity: Identity,
) -> None:
    answers = [await attempt(identity, f"u{n}@x.org", "wrong") for n in range(25)]
    assert [isinstance(a, SignInFailed) for a in answers] == [True] * 20 + [False] * 5
    elsewhere = await attempt(identity, "u99@x.org", "wrong", "192.0.2.2")
    assert isinstance(elsewhere, SignInFailed)


async def test_one_ipv6_network_is_one_address(identity: Identity) -> None:
    answers = [
        await attempt(identity, f"u{n}@x.org", "wrong", f"2001:db8::{n:x}")
        for n in range(21)
    ]
    assert isinstance(answers[-1], TooManyFailures)


async def test_a13_nobody_is_locked_out_for_ever(
    identity: Identity, clock: FakeClock
) -> None:
    await add_user(identity)
    for _ in range(6):
        await attempt(identity, "ann@x.org", "wrong")
    clock.advance(seconds=59)
    early = await attempt(identity, "ann@x.org", PASSWORD)
    assert isinstance(early, TooManyFailures)
    clock.advance(seconds=1)
    assert isinstance(await attempt(identity, "ann@x.org", PASSWORD), User)
    assert isinstance(await attempt(identity, "ann@x.org", "wrong"), SignInFailed)


async def test_waits_double_and_an_hour_holds_twenty_tries(
    identity: Identity, clock: FakeClock
) -> None:
    start = clock.now()
    waits = []
    tries = 0
    while (clock.now() - start).total_seconds() < 3599:
        answer = await attempt(identity, "ann@x.org", "wrong", "")
        if isinstance(answer, TooManyFailures):
            waits.append(answer.retry_after_seconds)
            clock.advance(seconds=answer.retry_after_seconds)
        else:
            tries += 1
    assert tries == 20
    assert waits[0] == 60
    assert waits[5] == 120
    assert waits[10] == 240


async def test_tries_side_by_side_gain_nothing(identity: Identity) -> None:
    await add_user(identity)
    guesses = [attempt(identity, "ann@x.org", "wrong") for _ in range(20)]
    answers = await asyncio.gather(*guesses)
    assert sum(isinstance(a, SignInFailed) for a in answers) == 5


async def test_right_passwords_side_by_side_all_sign_in(identity: Identity) -> None:
    await add_user(identity)
    tries = [attempt(identity, "ann@x.org", PASSWORD) for _ in range(16)]
    assert all(isinstance(a, User) for a in await asyncio.gather(*tries))


async def test_a_password_in_the_email_field_is_not_logged(
    identity: Identity,
) -> None:
    await attempt(identity, "my secret password", "x")
    async with identity.unit_of_work() as services:
        page = await services.audit.list_page(
            Cursors(b"k" * 32), AuditFilter(), cursor=None, limit=10
        )
    entry = page.items[0]
    assert (entry.action, entry.result, entry.actor) == (
        "sign-in",
        "refused",
        "unknown",
    )
    assert "secret" not in repr(vars(entry))


async def test_a06_a_hash_with_old_costs_is_renewed_by_signing_in(
    identity: Identity, clock: FakeClock
) -> None:
    user = await add_user(identity)
    current = identity_on(identity._database, clock)
    current.passwords.close()
    current.passwords = PasswordHasher()
    assert isinstance(await attempt(current, "ann@x.org", PASSWORD), User)
    async with identity.unit_of_work() as services:
        stored = (await services.accounts.get(user.id)).password_hash
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored != user.password_hash
    await current.close()


async def statements(identity: Identity, email: str) -> list[str]:
    seen: list[str] = []

    def note(_c, _cursor, statement: str, *_more: object) -> None:
        seen.append(statement.partition(" WHERE")[0])

    engine = identity._database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await attempt(identity, email, "wrong")
    event.remove(engine, "before_cursor_execute", note)
    return seen


async def test_a09_known_and_unknown_accounts_take_the_same_steps(
    identity: Identity,
) -> None:
    await add_user(identity)
    known = await statements(identity, "ann@x.org")
    assert known == await statements(identity, "nobody@x.org")
    assert known == await statements(identity, "no address at all")


async def test_a_flood_of_refusals_is_logged_once_a_minute(
    identity: Identity, clock: FakeClock
) -> None:
    for _ in range(40):
        await attempt(identity, "ann@x.org", "wrong")
    async with identity.unit_of_work() as services:
        page = await services.audit.list_page(
            Cursors(b"k" * 32), AuditFilter(), cursor=None, limit=100
        )
    reasons = [entry.detail["reason"] for entry in page.items]
    assert sorted(reasons) == ["sign-in-failed"] * 5 + ["too-many-failures"]
