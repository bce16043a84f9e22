"""Checklist C: the life of a sign-in by tokens."""

from pathlib import Path

from foretell.auth.audit import AuditFilter
from foretell.auth.errors import GrantRefused
from foretell.auth.grants import Granted
from foretell.auth.identity import Identity
from foretell.auth.service import UserChange, cli_principal
from foretell.core.clock import FakeClock
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role
from foretell.errors import ForetellError, Unauthenticated
from tests.auth.conftest import PASSWORD, add_user, bearer


async def by_password(identity: Identity, **more: str) -> Granted:
    async with identity.unit_of_work() as services:
        found = await services.grants.by_password("ann@x.org", PASSWORD, **more)
    assert isinstance(found, Granted), found
    return found


async def by_refresh(
    identity: Identity, token: str, **more: str
) -> Granted | ForetellError:
    async with identity.unit_of_work() as services:
        return await services.grants.by_refresh_token(token, **more)


async def renewed(identity: Identity, token: str, **more: str) -> Granted:
    found = await by_refresh(identity, token, **more)
    assert isinstance(found, Granted), found
    return found


async def is_refused(identity: Identity, token: str, **more: str) -> bool:
    return isinstance(await by_refresh(identity, token, **more), GrantRefused)


async def caller(identity: Identity, credential: str) -> Principal | None:
    try:
        return await identity.authenticator.authenticate(
            bearer(credential), is_safe_method=False
        )
    except Unauthenticated:
        return None


async def test_c01_a_refresh_token_is_good_for_one_use(
    identity: Identity, clock: FakeClock
) -> None:
    await add_user(identity)
    first = await by_password(identity)
    second = await renewed(identity, first.refresh_token)
    assert second.refresh_token != first.refresh_token
    clock.advance(seconds=11)
    assert await is_refused(identity, first.refresh_token)


async def test_c02_a_second_use_ends_the_family(
    identity: Identity, clock: FakeClock
) -> None:
    await add_user(identity)
    one = await by_password(identity)
    two = await renewed(identity, one.refresh_token)
    three = await renewed(identity, two.refresh_token)
    assert await caller(identity, three.access_token) is not None
    assert await is_refused(identity, one.refresh_token)
    assert await is_refused(identity, three.refresh_token)
    assert await caller(identity, three.access_token) is None
    async with identity.unit_of_work() as services:
        page = await services.audit.list_page(
            Cursors(b"k" * 32), AuditFilter(), cursor=None, limit=10
        )
    assert page.items[0].action == "token.reuse"


async def test_a_lost_answer_can_be_asked_for_again_for_ten_seconds(
    identity: Identity, clock: FakeClock
) -> None:
    await add_user(identity)
    first = await by_password(identity)
    second = await renewed(identity, first.refresh_token)
    clock.advance(seconds=10)
    again = await renewed(identity, first.refresh_token)
    assert again.refresh_token == second.refresh_token
    assert await renewed(identity, second.refresh_token)


async def test_the_grace_is_the_immediate_parents_alone(identity: Identity) -> None:
    await add_user(identity)
    first = await by_password(identity)
    second = await renewed(identity, first.refresh_token)
    third = await renewed(identity, second.refresh_token)
    assert await is_refused(identity, first.refresh_token)
    assert await is_refused(identity, third.refresh_token)


async def test_c05_rotation_does_not_extend_thirty_days(
    identity: Identity, clock: FakeClock
) -> None:
    await add_user(identity)
    token = (await by_password(identity)).refresh_token
    for _ in range(4):
        clock.advance(days=6.9)
        token = (await renewed(identity, token)).refresh_token
    clock.advance(days=2.5)
    assert await is_refused(identity, token)


async def test_c05_seven_idle_days_end_a_sign_in(
    identity: Identity, clock: FakeClock
) -> None:
    await add_user(identity)
    token = (await by_password(identity)).refresh_token
    clock.advance(days=7)
    assert await is_refused(identity, token)


async def test_c06_scope_can_only_shrink(identity: Identity) -> None:
    await add_user(identity)
    first = await by_password(identity, scope="models:read models:predict:churn")
    assert first.scope == "models:predict:churn models:read"
    wider = await by_refresh(identity, first.refresh_token, scope="jobs:read")
    assert isinstance(wider, GrantRefused)
    assert wider.error == "invalid_scope"
    narrow = await renewed(identity, first.refresh_token, scope="models:read")
    assert narrow.scope == "models:read"


async def test_c06_a_refresh_token_belongs_to_its_client(identity: Identity) -> None:
    await add_user(identity)
    first = await by_password(identity, client_id="shop")
    assert await is_refused(identity, first.refresh_token, client_id="other")
    assert await is_refused(identity, first.refresh_token)
    assert await renewed(identity, first.refresh_token, client_id="shop")


async def test_more_scope_than_the_role_gives_is_refused(identity: Identity) -> None:
    await add_user(identity)
    async with identity.unit_of_work() as services:
        refused = await services.grants.by_password(
            "ann@x.org", PASSWORD, scope="users:write"
        )
    assert isinstance(refused, GrantRefused)
    assert refused.error == "invalid_scope"


async def test_c07_no_token_stands_in_the_database(
    identity: Identity, tmp_path: Path
) -> None:
    await add_user(identity)
    first = await by_password(identity)
    second = await renewed(identity, first.refresh_token)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("foretell.db*"))
    for token in (first, second):
        assert token.refresh_token.encode() not in stored
        assert token.refresh_token[4:].encode() not in stored
        assert token.access_token.encode() not in stored
    assert PASSWORD.encode() not in stored


async def test_c08_signing_out_ends_refresh_and_access(identity: Identity) -> None:
    await add_user(identity)
    for name in ("refresh_token", "access_token"):
        tokens = await by_password(identity)
        assert await caller(identity, tokens.access_token) is not None
        async with identity.unit_of_work() as services:
            await services.grants.revoke(getattr(tokens, name))
        assert await caller(identity, tokens.access_token) is None
        assert await is_refused(identity, tokens.refresh_token)


async def test_revoking_nonsense_does_nothing(identity: Identity) -> None:
    async with identity.unit_of_work() as services:
        for token in ("", "x", "ftr_" + "A" * 43, "a.b.c", "ftl_x"):
            await services.grants.revoke(token)


async def test_a_role_acts_on_the_next_refresh_and_on_tokens_at_once(
    identity: Identity,
) -> None:
    user = await add_user(identity, role=Role.EDITOR)
    first = await by_password(identity)
    async with identity.unit_of_work() as services:
        await services.accounts.change(
            cli_principal(), user.id, UserChange(role=Role.VIEWER)
        )
    found = await caller(identity, first.access_token)
    assert found is not None
    assert not found.may("models:write")
    second = await renewed(identity, first.refresh_token)
    assert "models:write" not in second.scope


async def test_a_disabled_account_renews_nothing(identity: Identity) -> None:
    user = await add_user(identity)
    first = await by_password(identity)
    async with identity.unit_of_work() as services:
        await services.accounts.change(
            cli_principal(), user.id, UserChange(disabled=True)
        )
    assert await is_refused(identity, first.refresh_token)
    assert await caller(identity, first.access_token) is None
