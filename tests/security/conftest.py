"""One server for the checklist, hours later for each test."""

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import first_admin
from tests.security.clocked import Client, Clocked, clocked
from tests.served import Server


# Of the package: it runs in a thread of this process, and must not beside other tests.
@pytest.fixture(scope="package")
def clocked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocked]:
    data_dir = tmp_path_factory.mktemp("clocked") / "data"
    with clocked(
        data_dir, signup="open", cors_origins="https://app.example.org"
    ) as server:
        yield server


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`foretell serve` as people start it: it believes no proxy and no test."""
    server = Server(tmp_path_factory.mktemp("alone") / "data").start("--no-worker")
    with server.running():
        yield server


@pytest.fixture(scope="session")
def alone_key(alone: Server) -> str:
    """A key of its admin, `admin@example.org`."""
    return first_admin(alone)


@pytest.fixture
def server(clocked_server: Clocked) -> Clocked:
    """The server when all failures of the tests before are forgotten."""
    clocked_server.clock.advance(hours=2)
    return clocked_server


@pytest.fixture
def visitor(server: Clocked) -> Iterator[Client]:
    """Somebody without a credential."""
    with server.client() as client:
        yield client
