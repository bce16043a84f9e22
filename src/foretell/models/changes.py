"""Tells the predictions of this process at once that a model changed.

Other processes see a change by polling the epoch (tables.py). In the process that
made it, or that has just read of it, waiting a second for that would let an answer
contradict the one before it.
"""

from collections.abc import Callable


class Changes:
    """A port of one process; whoever keeps copies of models listens to it."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []
        self._newest = 0

    def listen(self, call: Callable[[], None]) -> None:
        self._listeners.append(call)

    def saw(self, stamp: int) -> None:
        """Say that a model with this stamp is committed."""
        if stamp > self._newest:
            self._newest = stamp
            for call in self._listeners:
                call()
