"""HTTP as bytes on a socket, for what no client library would send."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

HEAD = b"Host: localhost\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of a connection."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """All that came back, and whether the server closed the connection."""

    answers: list[Answer]
    is_closed: bool

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 0)
    with socket.create_connection(address, timeout=10) as connection:
        yield connection


def say(url: str, data: bytes, *, seconds: float = 3.0) -> Heard:
    """Send bytes and listen until the server closes, or is silent for so long."""
    with connected(url) as connection:
        connection.sendall(data)
        return listen(connection, seconds=seconds)


def listen(connection: socket.socket, *, seconds: float) -> Heard:
    connection.settimeout(seconds)
    received = bytearray()
    try:
        while piece := connection.recv(65_536):
            received += piece
    except TimeoutError:
        return Heard(list(_answers(bytes(received))), is_closed=False)
    except ConnectionResetError:
        pass
    return Heard(list(_answers(bytes(received))), is_closed=True)


def drip(connection: socket.socket, byte: bytes, *, seconds: float) -> Heard:
    """Send a byte whenever nothing has been heard for a moment, until the server has
    had enough."""
    deadline = time.monotonic() + seconds
    received = bytearray()
    connection.settimeout(0.05)
    while time.monotonic() < deadline:
        try:
            piece = connection.recv(65_536)
        except TimeoutError:
            try:
                connection.sendall(byte)
            except OSError:
                break
        except ConnectionResetError:
            break
        else:
            if not piece:
                break
            received += piece
    else:
        return Heard(list(_answers(bytes(received))), is_closed=False)
    return Heard(list(_answers(bytes(received))), is_closed=True)


def request(
    line: bytes = b"GET /healthz HTTP/1.1", headers: bytes = HEAD, body: bytes = b""
) -> bytes:
    return line + b"\r\n" + headers + b"\r\n" + body


def _answers(received: bytes) -> Iterator[Answer]:
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        assert separator, f"an answer that is cut off: {received[:200]!r}"
        lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines[1:])
        headers = {name.lower(): value for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        yield Answer(int(lines[0].split()[1]), headers, rest[:length])
        received = rest[length:]
