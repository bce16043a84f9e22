"""Checklist D: signing keys come and go without a refused request."""

from typing import Any

import jwt
import pytest

from foretell.auth.errors import CredentialInvalid
from foretell.auth.identity import Identity, create_access_token
from foretell.auth.keyring import KeyRing
from foretell.auth.service import cli_principal
from foretell.core.clock import FakeClock
from foretell.core.db import Database
from tests.auth.conftest import add_user, bearer, identity_on


def kid_of(token: str) -> Any:
    return jwt.get_unverified_header(token)["kid"]


async def issued(identity: Identity) -> str:
    return await identity.tokens.issue("1", version=1, scope="")


async def test_d01_a_rotation_refuses_no_token_on_any_node(
    identity: Identity, clock: FakeClock
) -> None:
    other = identity_on(identity._database, clock)
    old = await issued(other)
    kid = await identity.keyring.rotate()
    kids = []
    for _ in range(30):
        clock.advance(seconds=10)
        for node, reader in ((identity, other), (other, identity)):
            token = await issued(node)
            assert await reader.tokens.read(token)
            kids.append(kid_of(token))
    assert kids[0] == kid_of(old)
    assert kids[-1] == kid
    assert await other.tokens.read(old)
    await other.close()


async def test_d02_tokens_of_a_removed_key_are_refused_at_once(
    identity: Identity, clock: FakeClock
) -> None:
    user = await add_user(identity)
    other = identity_on(identity._database, clock)
    headers = bearer(token := await create_access_token(identity, user.id))
    assert await other.authenticator.authenticate(headers, is_safe_method=True)
    await identity.remove_signing_key(kid_of(token), cli_principal())
    clock.advance(seconds=1)
    for node in (identity, other):
        with pytest.raises(CredentialInvalid):
            await node.authenticator.authenticate(headers, is_safe_method=True)
    assert kid_of(await issued(other)) != kid_of(token)
    await other.close()


async def test_keys_are_rotated_by_age_and_deleted_a_day_later(
    identity: Identity, clock: FakeClock
) -> None:
    first = kid_of(await issued(identity))
    clock.advance(days=89)
    await identity.purge()
    assert len((await identity.keyring.public_jwks())["keys"]) == 1
    clock.advance(days=1)
    await identity.purge()
    assert len((await identity.keyring.public_jwks())["keys"]) == 2
    clock.advance(days=1)
    await identity.purge()
    keys = (await identity.keyring.public_jwks())["keys"]
    assert [key["kid"] == first for key in keys] == [False]


async def test_with_another_secret_old_tokens_still_verify_and_new_keys_sign(
    database: Database, identity: Identity, clock: FakeClock
) -> None:
    old = await issued(identity)
    changed = KeyRing(
        reading=identity._signing_keys_reading,
        writing=identity._signing_keys_writing,
        secret=b"another secret of 32 bytes and more",
        clock=clock,
    )
    assert await changed.knows(kid_of(old))
    assert (await changed.signing()).kid != kid_of(old)


async def test_an_unknown_kid_reads_the_table_once_a_second(
    identity: Identity, clock: FakeClock
) -> None:
    other = identity_on(identity._database, clock)
    await other.start()
    kid = await identity.keyring.rotate()
    assert not await other.keyring.knows(kid)
    clock.advance(seconds=1)
    assert await other.keyring.knows(kid)
    await other.close()
