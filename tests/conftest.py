"""Fixtures that every test may use."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from foretell.core.logs import ensure_logs
from tests.databases import KINDS, throw_away
from tests.served import Server

# As in a host of somebody else's: events go to the standard library, where `caplog`
# sees them whatever ran before.
ensure_logs()


@dataclass(frozen=True, slots=True)
class Callers:
    """Clients of one server: its admin, two editors, a viewer, and nobody."""

    server: Server
    admin: httpx2.Client
    editor: httpx2.Client
    other: httpx2.Client
    viewer: httpx2.Client
    nobody: httpx2.Client


@pytest.fixture(scope="session")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    """One served application for all tests that need no server of their own."""
    server = Server(tmp_path_factory.mktemp("served") / "data").start()
    with server.running(), ExitStack() as stack:
        admin = stack.enter_context(server.client(server.make_admin()))
        roles = {"editor": "editor", "other": "editor", "viewer": "viewer"}
        clients = {
            name: stack.enter_context(
                server.client(server.make_user(admin, name, role))
            )
            for name, role in roles.items()
        }
        nobody = stack.enter_context(server.client())
        yield Callers(server=server, admin=admin, nobody=nobody, **clients)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
        return
    with throw_away(request.param) as url:
        yield url
