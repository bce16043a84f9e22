"""What every job of the comparison does: leave the moment at which its body ran.

Moments are the system's monotonic clock, the same in all processes, so that the
caller can subtract. Nothing but the standard library: each engine's own environment
imports this.
"""

import os
import struct
import time
from pathlib import Path

_RECORD = struct.Struct("=id")
VARIABLE = "JOBS_BENCH_MARKS"
_file: int | None = None


def mark(number: int) -> None:
    """Append `number` and now to the run's file, whole records in one write."""
    global _file
    if _file is None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        _file = os.open(os.environ[VARIABLE], flags, 0o600)
    os.write(_file, _RECORD.pack(number, time.monotonic()))


class Marks:
    """The caller's view of the run's file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def count(self) -> int:
        try:
            return self._path.stat().st_size // _RECORD.size
        except FileNotFoundError:
            return 0

    def read(self) -> list[tuple[int, float]]:
        """Numbers and moments in the order in which they ran."""
        data = self._path.read_bytes() if self._path.exists() else b""
        return [(number, at) for number, at in _RECORD.iter_unpack(data)]

    def wait(self, count: int, seconds: float) -> bool:
        """Whether so many jobs ran within the time."""
        until = time.monotonic() + seconds
        while self.count() < count:
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
        return True
