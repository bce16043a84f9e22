"""A09: how long a refusal takes does not tell who has an account."""

import statistics
import time

import pytest

from foretell.auth.audit import Origin
from foretell.auth.identity import Identity
from foretell.auth.passwords import PasswordHasher
from foretell.core.clock import FakeClock
from foretell.core.db import Database
from foretell.core.principal import Role
from tests.auth.conftest import add_user, identity_on

PAIRS = 60


async def seconds_of(identity: Identity, email: str, address: str) -> float:
    started = time.perf_counter()
    async with identity._database.writing() as session:
        services = identity.services(session, Origin(address))
        await services.sessions.open(email, "a wrong password")
    return time.perf_counter() - started


@pytest.mark.timing
async def test_a09_known_and_unknown_accounts_take_the_same_time(
    database: Database, clock: FakeClock
) -> None:
    identity = identity_on(database, clock)
    identity.passwords.close()
    identity.passwords = PasswordHasher()
    known, unknown = [], []
    for n in range(PAIRS):
        await add_user(identity, f"u{n}@x.org", Role.VIEWER)
        known.append(await seconds_of(identity, f"u{n}@x.org", f"192.0.2.{n}"))
        unknown.append(await seconds_of(identity, f"v{n}@x.org", f"198.51.100.{n}"))
    await identity.close()
    middle = statistics.median(known)
    assert abs(middle - statistics.median(unknown)) < 0.1 * middle
