"""What the demo says, and how it makes sure that it is true."""

import sys
import time
from collections.abc import Iterable, Sequence

from foretell.client.shapes import JobEvent
from foretell.errors import ForetellError


class DemoFailed(ForetellError):
    """Something the demo was about to say is not true on this machine."""

    slug = "demo-failed"


class Screen:
    """Prints numbered steps with their times."""

    def __init__(self) -> None:
        self._number = 0
        self._started = self._step_started = time.monotonic()

    def step(self, title: str) -> None:
        """Begin a step."""
        self._number += 1
        self._step_started = time.monotonic()
        print(f"\n{self._number}. {title}", flush=True)

    def say(self, text: str) -> None:
        """Print a line of the step."""
        print(f"   {text}", flush=True)

    def done(self, text: str) -> None:
        """Print a line with the seconds since the step began."""
        self.say(f"{text}  ({time.monotonic() - self._step_started:.1f} s)")

    def table(self, rows: Iterable[Sequence[object]]) -> None:
        """Print rows in columns."""
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = [cell.ljust(w) for cell, w in zip(row, widths, strict=True)]
            self.say("  ".join(padded).rstrip())

    def progress(self, event: JobEvent) -> None:
        """Print how far a job is."""
        data = event["data"]
        if isinstance(data, dict) and (found := data.get("progress")):
            share = f"{found['done'] / found['total']:4.0%}" if found["total"] else ""
            words = " ".join(filter(None, [share, found["message"]]))
            self.say(f"[{data['state']}] {words}".rstrip())

    @property
    def seconds(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._started


def claim(is_true: bool, text: str) -> None:
    """Stop the demo unless what it is about to say is true.

    Raises:
        DemoFailed: It is not; the exit code is 1.
    """
    if not is_true:
        sys.stdout.flush()
        raise DemoFailed(f"The demo failed: {text}")
