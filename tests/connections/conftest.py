"""A server that may go to loopback, and outside databases for it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.served import Server
from tests.targets import *  # noqa: F403 - fixtures


@dataclass(frozen=True, slots=True)
class Reach:
    """A server that connects to loopback, and two of its editors."""

    server: Server
    admin: httpx2.Client
    editor: httpx2.Client
    other: httpx2.Client

    @property
    def files(self) -> Path:
        """The folder of SQLite files."""
        return self.server.data_dir / "databases"


@pytest.fixture(scope="session")
def reach(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reach]:
    folder = tmp_path_factory.mktemp("reach") / "data"
    server = Server(folder, connection_allow="127.0.0.1").start()
    with server.running(), ExitStack() as stack:
        admin = stack.enter_context(server.client(server.make_admin()))
        editor, other = (
            stack.enter_context(server.client(server.make_user(admin, n, "editor")))
            for n in ("editor", "other")
        )
        (folder / "databases").mkdir(exist_ok=True)
        yield Reach(server, admin, editor, other)
