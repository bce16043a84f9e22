"""The fixtures themselves. Override one by a fixture of the same name."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI

from foretell.app import create_app
from foretell.core.clock import FakeClock
from foretell.extension.definition import Extension
from foretell.settings import Settings, load_settings
from foretell.testing.databases import OPTION, VARIABLE, Blank, blank
from foretell.testing.draining import drain
from foretell.testing.mails import Outbox
from foretell.testing.people import SignIn
from foretell.testing.unmigrated import make_tables


@pytest.fixture
def extensions() -> Sequence[Extension]:
    """The extensions under test: override it to give yours."""
    return ()


@pytest.fixture
def clock() -> FakeClock:
    """The application's clock: `clock.advance(minutes=10)`."""
    return FakeClock()


@pytest.fixture(scope="session")
def foretell_blank(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Blank]:
    """A database with Foretell's own tables, made once a session."""
    server = request.config.getoption(OPTION, default=os.environ.get(VARIABLE))
    with blank(server, tmp_path_factory.mktemp("blank")) as made:
        yield made


@pytest.fixture
def database_url(foretell_blank: Blank, tmp_path: Path) -> Iterator[str]:
    """The address of this test's own database."""
    with foretell_blank.copied(tmp_path) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings that keep everything in a temporary directory and send no mail."""
    return load_settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        storage_url=None,
        smtp_url=None,
        redis_url=None,
        rate_limit=None,
        env="development",
        allowed_hosts=["testserver", "localhost"],
    )


@pytest_asyncio.fixture
async def app(
    settings: Settings, extensions: Sequence[Extension], clock: FakeClock
) -> AsyncIterator[FastAPI]:
    """The application, started, with `extensions` and without worker processes."""
    made = create_app(settings, extensions=extensions, clock=clock, with_worker=False)
    await make_tables(made.state.foretell)
    async with made.router.lifespan_context(made):
        yield made


@pytest_asyncio.fixture
async def sign_in(app: FastAPI) -> AsyncIterator[SignIn]:
    """Makes clients of new users: `await sign_in("editor")`."""
    async with AsyncExitStack() as stack:
        yield SignIn(app, stack)


@pytest_asyncio.fixture
async def client(sign_in: SignIn) -> httpx2.AsyncClient:
    """A client that an admin has signed in with."""
    return await sign_in("admin", email="admin@example.org")


@pytest_asyncio.fixture
async def anonymous(sign_in: SignIn) -> httpx2.AsyncClient:
    """A client without a credential."""
    return await sign_in.nobody()


@pytest.fixture
def run_jobs(app: FastAPI) -> Callable[[], Awaitable[int]]:
    """Runs the jobs that are due: `await run_jobs()` answers how many tries it took."""

    async def run() -> int:
        return await drain(app.state.foretell)

    return run


@pytest.fixture
def outbox(settings: Settings) -> Outbox:
    """The mails that were sent; they go by jobs."""
    return Outbox(settings.data_dir / "outbox")
