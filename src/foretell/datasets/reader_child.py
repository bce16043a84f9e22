"""The child side of heavy questions: a table engine in a process of its own.

It stays for many questions, because a process that has asked once answers the next
scan in half the time. It may read the stored versions and nothing else, and write
nothing; the process that asks ends it when a question takes too much or is given up.
"""

import importlib
import socket
from typing import Any

import msgspec

from foretell.core.plugins import load_plugin
from foretell.datasets.ports import TableEngine
from foretell.datasets.reader_messages import CHUNK_BYTES, Answer, ReaderRequest
from foretell.datasets.wire import pack, unpack
from foretell.errors import ForetellError
from foretell.sandbox.frames import receive_frame, send_frame
from foretell.sandbox.refusals import crash, refusal

METHODS = frozenset(
    ("page", "seek", "count", "aggregate", "diff", "profile", "key_filter")
)


def serve(request: ReaderRequest, sock: socket.socket) -> None:
    """Answer one question after another until the socket ends."""
    engine: TableEngine = load_plugin("foretell.table_engines", request.engine)()
    while (frame := receive_frame(sock)) is not None:
        answer, body = _answer(engine, frame)
        send_frame(sock, msgspec.msgpack.encode(answer))
        for start in range(0, len(body), CHUNK_BYTES):
            send_frame(sock, body[start : start + CHUNK_BYTES])


def _answer(engine: TableEngine, frame: bytes) -> tuple[Answer, bytes]:
    try:
        method, arguments, named = unpack(frame, _function)
        if method not in METHODS:
            raise ValueError(method)
        body = pack(getattr(engine, method)(*arguments, **named))
    except ForetellError as error:
        return Answer(refused=refusal(error)), b""
    except BaseException as error:
        # A panic of a Rust library is no Exception.
        return Answer(crashed=crash(error)), b""
    return Answer(size=len(body)), body


def _function(place: str) -> Any:
    """Find a function of an extension; its module was imported before the fork."""
    module, _, name = place.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
