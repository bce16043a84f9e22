"""Starts the nursery before its supervisor exists: while a server imports its own code.

Both need a second or two for that. One after the other, jobs that a dead server left
behind would wait for the sum. The nursery imports what its composition needs, then waits
to be told the environment, which the server knows only when its settings and extensions
are read.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

# What a server changes for its workers; another variable may steer an import.
_OURS = ("FORETELL_", "_FORETELL_")
# What a socket takes although nobody reads yet: the event loop must not wait.
_LONGEST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class HeadStart:
    """A nursery that waits, and our end of its channel."""

    composition: str
    process: subprocess.Popen[bytes]
    channel: socket.socket
    environment: Mapping[str, str]


_begun: list[HeadStart] = []


def begin(composition: str) -> None:
    """Start a nursery that the first supervisor of this process may take.

    Call it on the main thread: the nursery dies with the thread that started it.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command_of(composition, theirs.fileno(), "--wait"),
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    _begun.append(HeadStart(composition, process, ours, dict(os.environ)))


def take(composition: str, environment: Mapping[str, str] | None) -> HeadStart | None:
    """The nursery that waits, told its environment; `None` if there is none for it."""
    if not _begun:
        return None
    begun = _begun.pop()
    wanted = dict(os.environ if environment is None else environment)
    line = json.dumps(wanted).encode() + b"\n"
    is_ours = begun.composition == composition and len(line) < _LONGEST_BYTES
    if is_ours and _is_near(begun.environment, wanted):
        try:
            begun.channel.sendall(line)
        except OSError:
            discard(begun)
            return None
        return begun
    discard(begun)
    return None


def discard(begun: HeadStart) -> None:
    """End a nursery that nobody needs."""
    begun.channel.close()
    begun.process.kill()
    begun.process.wait()


def command_of(composition: str, channel: int, *options: str) -> list[str]:
    """The command line of a nursery that this process starts."""
    module = [sys.executable, "-m", "foretell.jobs.nursery", composition]
    told = ["--parent", str(os.getpid()), "--channel", str(channel)]
    return [*module, *told, *options]


def _is_near(begun: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(
        name.startswith(_OURS)
        for name in begun.keys() | wanted.keys()
        if begun.get(name) != wanted.get(name)
    )
