"""What must hold under concurrency, on each kind of database."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from foretell.auth.errors import EmailTaken, GrantRefused
from foretell.auth.grants import Granted
from foretell.auth.identity import Identity
from foretell.auth.keys import NewKey
from foretell.auth.service import NewUser, UserChange, cli_principal
from foretell.auth.tables import RefreshToken, User
from foretell.core.clock import FakeClock
from foretell.core.principal import Role
from foretell.errors import ForetellError, Unavailable
from tests.auth.conftest import PASSWORD, add_user, bearer, identity_on, principal_of


async def sign_up(identity: Identity, email: str) -> User | ForetellError:
    async with identity.unit_of_work() as services:
        return await services.accounts.sign_up(NewUser(email, PASSWORD, "Ann"))


async def refresh(identity: Identity, token: str) -> Granted | ForetellError:
    try:
        async with identity.unit_of_work() as services:
            return await services.grants.by_refresh_token(token)
    except Unavailable as error:  # the pool or a lock: the client tries again
        return error


async def test_d16_eight_sign_ups_at_once_make_one_account(
    any_identity: Identity,
) -> None:
    emails = ["Élodie@x.org", "élodie@X.org", "ÉLODIE@x.org", "élodie@x.org"] * 2
    made = await asyncio.gather(*(sign_up(any_identity, e) for e in emails))
    assert sum(isinstance(one, User) for one in made) == 1
    assert sum(isinstance(one, EmailTaken) for one in made) == 7


async def test_d18_case_is_the_same_on_every_database(any_identity: Identity) -> None:
    assert isinstance(await sign_up(any_identity, "Élodie@x.org"), User)
    assert isinstance(await sign_up(any_identity, "élodie@x.org"), EmailTaken)
    assert isinstance(await sign_up(any_identity, "elodie@x.org"), User)
    async with any_identity.unit_of_work() as services:
        granted = await services.grants.by_password("éLODIE@x.ORG", PASSWORD)
    assert isinstance(granted, Granted)


async def test_c03_fifty_uses_of_one_refresh_token_make_one_lineage(
    any_identity: Identity,
) -> None:
    await add_user(any_identity)
    async with any_identity.unit_of_work() as services:
        first = await services.grants.by_password("ann@x.org", PASSWORD)
    assert isinstance(first, Granted)
    answers = await asyncio.gather(
        *(refresh(any_identity, first.refresh_token) for _ in range(50))
    )
    successors = {a.refresh_token for a in answers if isinstance(a, Granted)}
    assert len(successors) == 1
    async with any_identity._database.reading() as session:
        stored = await session.scalar(select(func.count()).select_from(RefreshToken))
    assert stored == 2


async def test_c04_after_a_replay_no_descendant_works_whatever_is_in_flight(
    any_identity: Identity, clock: FakeClock
) -> None:
    await add_user(any_identity)
    async with any_identity.unit_of_work() as services:
        one = await services.grants.by_password("ann@x.org", PASSWORD)
    assert isinstance(one, Granted)
    two = await refresh(any_identity, one.refresh_token)
    assert isinstance(two, Granted)
    clock.advance(seconds=11)
    answers = await asyncio.gather(
        *(refresh(any_identity, t.refresh_token) for t in (two, one, two, one))
    )
    tokens = {a.refresh_token for a in answers if isinstance(a, Granted)}
    for token in tokens | {two.refresh_token}:
        assert isinstance(await refresh(any_identity, token), GrantRefused)


async def test_odd_text_is_stored_and_read_back(any_identity: Identity) -> None:
    async with any_identity.unit_of_work() as services:
        made = await services.accounts.create(
            cli_principal(), NewUser("z@x.org", PASSWORD, "Zoë 🐎 ß İ", Role.EDITOR)
        )
    async with any_identity.unit_of_work() as services:
        found = await services.accounts.get(made.id)
        page = await services.accounts.list_page(cursor=None, limit=10)
    assert found.name == "Zoë 🐎 ß İ"
    assert found.created_at == made.created_at
    assert [user.id for user in page.items] == [made.id]


async def test_keys_live_and_die_on_every_database(
    any_identity: Identity, clock: FakeClock
) -> None:
    user = await add_user(any_identity)
    new = NewKey("k", ["models:predict:churn"], clock.now() + timedelta(days=1), False)
    async with any_identity.unit_of_work() as services:
        made = await services.keys.create(principal_of(user), new)
    found = await any_identity.authenticator.authenticate(
        bearer(made.key), is_safe_method=False
    )
    assert found is not None
    assert found.may("models:predict", "churn")
    assert not found.may("models:predict", "other")
    await any_identity.usage.written()
    async with any_identity.unit_of_work() as services:
        row = await services.keys.get(principal_of(user), made.row.id)
        assert row.last_used_at == clock.now()
        await services.accounts.delete(cli_principal(), user.id)
    assert await any_identity.principal_of(user.id) is None


async def test_two_admins_cannot_demote_each_other_at_once(
    any_identity: Identity,
) -> None:
    ann = await add_user(any_identity, "ann@x.org", Role.ADMIN)
    bob = await add_user(any_identity, "bob@x.org", Role.ADMIN)

    async def demote(user_id: str) -> bool:
        try:
            async with any_identity.unit_of_work() as services:
                await services.accounts.change(
                    cli_principal(), user_id, UserChange(role=Role.VIEWER)
                )
        except ForetellError:
            return False
        return True

    done = await asyncio.gather(demote(ann.id), demote(bob.id))
    assert sum(done) == 1


async def test_a18_a_withdrawal_reaches_another_node_within_a_second(
    any_identity: Identity, clock: FakeClock
) -> None:
    user = await add_user(any_identity)
    other = identity_on(any_identity._database, clock)
    token = await any_identity.tokens.issue(user.id, version=1, scope="jobs:read")
    headers = bearer(token)
    assert await other.authenticator.authenticate(headers, is_safe_method=True)
    async with any_identity.unit_of_work() as services:
        await services.accounts.change(
            cli_principal(), user.id, UserChange(disabled=True)
        )
    clock.advance(seconds=1)
    assert other.authenticator.authenticate_cached(headers) is None
    with pytest.raises(ForetellError):
        await other.authenticator.authenticate(headers, is_safe_method=True)
    await other.close()
