"""Identity on a real database, a clock that is moved by hand, and cheap hashes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from foretell.auth import tables
from foretell.auth.identity import Identity
from foretell.auth.passwords import Argon2Parameters, PasswordHasher
from foretell.auth.service import NewUser
from foretell.auth.tables import User
from foretell.auth.work import AuthOptions
from foretell.core.clock import FakeClock
from foretell.core.db import Base, Database
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role, scopes_of

SECRET = b"a secret of the test suite, 32 bytes and more"
CHEAP = Argon2Parameters(memory_kib=64, passes=1)
PASSWORD = "correct horse battery"
OPTIONS = AuthOptions(address="http://testserver", is_signup_open=True)


async def make_tables(database: Database) -> None:
    assert tables.User.__tablename__ in Base.metadata.tables
    mine = [t for t in Base.metadata.sorted_tables if _is_ours(t.name)]
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=mine)


def _is_ours(name: str) -> bool:
    ours = (vars(tables)[n] for n in dir(tables))
    return name in {getattr(c, "__tablename__", "") for c in ours}


def identity_on(
    database: Database, clock: FakeClock, options: AuthOptions = OPTIONS
) -> Identity:
    return Identity(
        database,
        secret=SECRET,
        clock=clock,
        cursors=Cursors(SECRET),
        options=options,
        passwords=PasswordHasher(CHEAP),
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    found = Database(f"sqlite+aiosqlite:///{tmp_path / 'foretell.db'}")
    await make_tables(found)
    yield found
    await found.close()


@pytest.fixture
async def identity(database: Database, clock: FakeClock) -> AsyncIterator[Identity]:
    made = identity_on(database, clock)
    yield made
    await made.close()


async def add_user(
    identity: Identity, email: str = "ann@x.org", role: Role = Role.VIEWER
) -> User:
    async with identity.unit_of_work() as services:
        return await services.accounts.create_local(
            NewUser(email, PASSWORD, "Ann", role)
        )


def principal_of(
    user: User, scopes: frozenset[str] | None = None, method: str = "token"
) -> Principal:
    role = Role(user.role)
    given = scopes if scopes is not None else scopes_of(role)
    return Principal(user.id, user.email, role, given, method)


def bearer(credential: str) -> dict[bytes, bytes]:
    return {b"authorization": b"Bearer " + credential.encode()}
