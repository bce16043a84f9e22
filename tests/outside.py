"""Outside databases for tests: throw-away ones on real servers, a MongoDB and a Redis
of our own as processes."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from foretell.core.connectors import Target
from tests.databases import throw_away

START_SECONDS = 60.0


def target_of(url: str, kind: str) -> Target:
    """Where a database of `throw_away` is."""
    found = urlsplit(url)
    return Target(
        kind,
        host=found.hostname or "",
        address=found.hostname or "",
        port=found.port or 0,
        database=found.path.strip("/"),
        username=found.username or "",
        password=SecretStr(found.password or ""),
        timeout_seconds=60,
    )


def fields_of(target: Target) -> dict[str, Any]:
    """The same as the body of a PUT."""
    body: dict[str, Any] = {"kind": target.kind, "host": target.host}
    body |= {"port": target.port, "database": target.database or None}
    body |= {"username": target.username or None}
    return {name: value for name, value in body.items() if value is not None}


@contextmanager
def database(kind: str) -> Iterator[Target]:
    """An empty database on a PostgreSQL or MariaDB server."""
    with throw_away(kind) as url:
        yield target_of(url, kind)


@contextmanager
def mongodb(folder: Path) -> Iterator[Target]:
    """A MongoDB server of our own: an embedded one, whose licence lets it run beside
    tests, as a process, and no more."""
    port = _free_port()
    program = Path(sys.executable).with_name("secantusd-py")
    process = subprocess.Popen(
        [program, "--port", str(port), "--storage-path", folder, "--standalone"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with _running(process, port):
        yield Target(
            "mongodb", host="127.0.0.1", address="127.0.0.1", port=port, database="test"
        )


@contextmanager
def redis(folder: Path) -> Iterator[Target]:
    """A Redis server of our own."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            raise AssertionError("no redis-server")
        pytest.skip("no redis-server")
    port = _free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--dir", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    with _running(process, port):
        yield Target("redis", host="127.0.0.1", address="127.0.0.1", port=port)


@contextmanager
def _running(process: "subprocess.Popen[bytes]", port: int) -> Iterator[None]:
    try:
        _wait(process, port)
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("no answer")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
