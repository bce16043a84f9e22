"""Identity on a real database, a clock that is moved by hand, and cheap hashes."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Table

from foretell.auth import tables
from foretell.auth.identity import Identity
from foretell.auth.oauth import render_oauth_problem
from foretell.auth.passwords import Argon2Parameters, PasswordHasher
from foretell.auth.routes import routers
from foretell.auth.service import NewUser
from foretell.auth.tables import User
from foretell.auth.work import AuthOptions
from foretell.core.clock import FakeClock
from foretell.core.db import Base, Database
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role, scopes_of
from foretell.http import pages
from foretell.http.edge import Edge
from foretell.http.metrics import Metrics
from foretell.http.problems import install_handlers
from foretell.http.state import AppState
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.settings import Settings
from tests.databases import throw_away

SECRET = b"a secret of the test suite, 32 bytes and more"
CHEAP = Argon2Parameters(memory_kib=64, passes=1)
PASSWORD = "correct horse battery"
OPTIONS = AuthOptions(
    address="http://testserver", issuer="http://issuer.test", is_signup_open=True
)


def our_tables() -> list[Table]:
    names = {getattr(c, "__tablename__", "") for c in vars(tables).values()}
    names.add("idempotency_keys")
    return [t for t in Base.metadata.sorted_tables if t.name in names]


async def make_tables(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=our_tables())


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


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the tables, made once: each test takes a copy."""
    path: Path = tmp_path_factory.mktemp("auth") / "empty.db"

    async def make() -> None:
        found = Database(f"sqlite+aiosqlite:///{path}")
        await make_tables(found)
        await found.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def database(tmp_path: Path, empty_file: Path) -> AsyncIterator[Database]:
    path = shutil.copy(empty_file, tmp_path / "foretell.db")
    found = Database(f"sqlite+aiosqlite:///{path}")
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


@pytest.fixture(scope="session")
def auth_postgresql_url() -> Iterator[str]:
    with throw_away("postgresql") as url:
        yield url


@pytest.fixture(scope="session")
def auth_mysql_url() -> Iterator[str]:
    with throw_away("mysql") as url:
        yield url


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.server("postgresql")),
        pytest.param("mysql", marks=pytest.mark.server("mysql")),
    ]
)
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database, on each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'any.db'}"
    found: str = request.getfixturevalue(f"auth_{request.param}_url")
    return found


@pytest.fixture
async def any_identity(any_url: str, clock: FakeClock) -> AsyncIterator[Identity]:
    database = Database(any_url)
    await make_tables(database)
    async with database.engine.begin() as connection:
        for table in reversed(our_tables()):
            await connection.execute(table.delete())
    made = identity_on(database, clock)
    yield made
    await made.close()
    await database.close()


class Outbox:
    """The mails that were handed over."""

    def __init__(self) -> None:
        self.mails: list[dict[str, str]] = []

    async def send(
        self, *, to: str, subject: str, text: str, is_decoy: bool = False
    ) -> None:
        if is_decoy:
            return
        self.mails.append({"to": to, "subject": subject, "text": text})


@pytest.fixture
def outbox(identity: Identity) -> Outbox:
    found = Outbox()
    identity.mailer_of = lambda _session: found
    return found


def app_of(
    database: Database, identity: Identity, clock: FakeClock, data_dir: Path
) -> Edge:
    app = Edge(title="test", docs_url=None, redoc_url=None, openapi_url=None)
    metrics = Metrics()
    app.open_edge(
        hosts=frozenset({"testserver"}),
        cors_origins=[],
        metrics=metrics,
        access_log=None,
    )
    app.state.metrics = metrics
    app.state.openapi_contributors = []
    state = AppState(
        settings=Settings(data_dir=data_dir),
        database=database,
        clock=clock,
        cursors=Cursors(SECRET),
        blobs=FileBlobStore(data_dir),
        authenticator=identity.authenticator,
    )
    state.provide(identity)
    app.state.foretell = state
    install_handlers(app)
    app.state.renderers.register("/token", render_oauth_problem)
    for area in (*routers, pages.routes):
        app.include_router(area)
    return app


Connect = Callable[..., httpx2.AsyncClient]


@pytest.fixture
async def connect(
    database: Database, identity: Identity, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Connect]:
    """Makes HTTP clients of the app; each has its own address and cookies."""
    app = app_of(database, identity, clock, tmp_path)
    opened: list[httpx2.AsyncClient] = []

    def make(
        *, token: str | None = None, address: str = "192.0.2.1", scheme: str = "http"
    ) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, client=(address, 1)),
            base_url=f"{scheme}://testserver",
            headers=headers,
        )
        opened.append(client)
        return client

    yield make
    for client in opened:
        await client.aclose()


@pytest.fixture
def client(connect: Connect) -> httpx2.AsyncClient:
    return connect()


async def sign_in(
    client: httpx2.AsyncClient, email: str = "ann@x.org", password: str = PASSWORD
) -> dict[str, Any]:
    form = {"grant_type": "password", "username": email, "password": password}
    answer = await client.post("/token", data=form)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
async def admin(identity: Identity, connect: Connect) -> httpx2.AsyncClient:
    """An HTTP client of an admin."""
    await add_user(identity, "root@x.org", Role.ADMIN)
    tokens = await sign_in(connect(), "root@x.org")
    return connect(token=tokens["access_token"])
