"""Brokers for tests: Redis servers of their own (`tests.servers`) and the machine's
RabbitMQ, and `foretell worker` behind them."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.served import COMMAND, Server
from tests.servers import RedisServer

RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
__all__ = ["RABBITMQ", "RedisServer", "rabbitmq", "running_worker", "until"]


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
