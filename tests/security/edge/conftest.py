"""One `foretell serve` for what needs no settings, and servers in this process for what
needs some, or less patience than the real one has."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx2
import pytest
import uvicorn

from foretell.app import create_app
from foretell.cli.server import Plan, config_of
from foretell.extension.definition import Extension
from foretell.http.framing import StrictProtocol
from foretell.settings import Settings
from foretell.testing import database_url, foretell_blank, settings
from tests.served import Server

__all__ = ["database_url", "foretell_blank", "settings"]

FRONT = "https://front.example"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("edge") / "data", cors_origins=FRONT)
    with server.start().running():
        yield server


@pytest.fixture(scope="package")
def admin(server: Server) -> Iterator[httpx2.Client]:
    with server.client(server.make_admin()) as client:
        yield client


class Hasty(StrictProtocol):
    """The same connection with less patience, so that a test need not have it."""

    HEAD_SECONDS = 0.4
    BODY_SECONDS = 0.4
    UNREAD_SECONDS = 0.4
    LOOK_SECONDS = 0.1


@contextmanager
def serving(
    settings: Settings,
    *,
    extensions: Sequence[Extension] = (),
    protocol: type[StrictProtocol] = StrictProtocol,
) -> Iterator[str]:
    """The address of a server in a thread, configured as `foretell serve` does."""
    settings = settings.model_copy(update={"allowed_hosts": ["127.0.0.1", "localhost"]})
    config = config_of(settings, Plan(1, False, False, True))
    config.app = create_app(settings, extensions=extensions, with_worker=False)
    config.factory = False
    config.http = protocol
    if protocol is not StrictProtocol:
        config.timeout_keep_alive = 1
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive())
            assert server.started
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def wait_for(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
