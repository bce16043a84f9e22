"""Finds calls that block the event loop, by Python's own audit events.

A hook sees each file, socket, sleep or process call of the interpreter. Those that
happen on the loop's thread while a request is served are faults, except imports
(a library loads once) and what `ALLOWED` names with a reason.
"""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

BLOCKING = frozenset(
    {
        "open",
        "os.listdir",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.scandir",
        "shutil.copyfile",
        "shutil.move",
        "shutil.rmtree",
        "socket.getaddrinfo",
        "sqlite3.connect",
        "subprocess.Popen",
        "tempfile.mkdtemp",
        "tempfile.mkstemp",
        "time.sleep",
    }
)
ALLOWED = (
    # Imports read files; each module is read once in the life of a process.
    "importlib",
    # Tracebacks of faults that are being logged read source lines.
    "linecache.py",
    # Lists a local folder of a few sockets, at most once a second: 20 µs.
    "jobs/doorbell.py",
    # The kernel ties a zygote to the thread that starts it, so that it cannot outlive
    # the server; that is this thread, once in the life of each zygote: a millisecond.
    "sandbox/launchers.py",
)


@dataclass(slots=True)
class Detector:
    """What was found: the event, its first argument and the calls that led there."""

    found: list[str] = field(default_factory=list)
    thread: int = 0
    label: str = ""

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in BLOCKING or threading.get_ident() != self.thread:
            return
        if asyncio._get_running_loop() is None:
            return
        if event == "open" and str(args[0]).startswith("/proc/"):
            return  # the kernel's memory, not a file: microseconds
        if event == "open" and isinstance(args[0], int):
            return  # a descriptor that is open
        stack = traceback.extract_stack(limit=40)[:-2]
        if any(part in frame.filename for frame in stack for part in ALLOWED):
            return
        ours = [f for f in stack if "/foretell/" in f.filename] or stack[-3:]
        place = " < ".join(f"{f.name}:{f.lineno}" for f in reversed(ours[-4:]))
        self.found.append(f"{self.label}: {event} {str(args[:1])[:80]} in {place}")


_current: list[Detector] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _current:
        detector = _current[0]
        # The detector itself must not be seen.
        _current.clear()
        try:
            detector.see(event, args)
        finally:
            _current.append(detector)


sys.addaudithook(_hook)


@contextmanager
def detecting() -> Iterator[Detector]:
    """Watch the thread of the running loop until the block ends."""
    detector = Detector(thread=threading.get_ident())
    _current.append(detector)
    try:
        yield detector
    finally:
        _current.clear()
