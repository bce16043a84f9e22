"""Brokers for tests: Redis servers of their own, which may be frozen and killed, and
the machine's RabbitMQ."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import pytest

from tests.served import COMMAND, Server

RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
_START_SECONDS = 20.0


class RedisServer:
    """A Redis without persistence on a free port; starting it again is allowed.

    Args:
        options: More of `redis-server`.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        options += self._options
        command = ["redis-server", "--port", str(self.port), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/")
        until = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError), _connection(self.port) as connection:
                connection.sendall(b"PING\r\n")
                # Or it asks for a password.
                if connection.recv(16).startswith((b"+PONG", b"-NOAUTH")):
                    return
            assert time.monotonic() < until, "redis-server does not answer"
            time.sleep(0.02)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def holds_keys(self) -> bool:
        """Whether something is stored in it."""
        with _connection(self.port) as connection:
            connection.sendall(b"DBSIZE\r\n")
            return int(connection.recv(32).strip(b":\r\n")) > 0

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextmanager
def running_worker(server: Server) -> Iterator[None]:
    """`foretell worker` on the data directory of a server that has none."""
    with server.log.open("ab") as log:
        worker = subprocess.Popen(
            [*COMMAND, "worker"],
            env=server.environment,
            cwd=server.data_dir.parent,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        worker.terminate()
        assert worker.wait(15) == 0


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition in another process, no longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def rabbitmq() -> Iterator[str]:
    """The URL of the machine's RabbitMQ; in CI a missing one fails the test."""
    try:
        with socket.create_connection(("127.0.0.1", 5672), timeout=2):
            pass
    except OSError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no RabbitMQ on loopback: {error}")
    yield RABBITMQ


def _connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=1)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
