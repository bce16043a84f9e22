"""What may carry the ids of jobs to workers on other machines, as a port."""

from collections.abc import Callable, Sequence
from typing import Protocol


class Executor(Protocol):
    """A broker or queue. It carries ids and no truth: a job whose id it loses is
    found by the sweep, one that it delivers twice is claimed once.

    Making one opens no connection, because it is made before a process forks and
    used after. No call may block for longer than a few seconds, but for `receive`.
    """

    def send(self, job_id: str, queue: str) -> None:
        """Hand over an id; called on one thread, never on an event loop.

        Raises:
            Unavailable: The broker does not answer.
        """
        ...

    def check(self) -> None:
        """Ask the broker for a sign of life, on any thread.

        Raises:
            Unavailable: It gives none.
        """
        ...

    def receive(self, queues: Sequence[str], deliver: Callable[[str], None]) -> None:
        """Receive ids of these queues, on a thread that has nothing else to do.

        Returns or raises `Unavailable` when the connection is lost; it is called
        again then.

        Args:
            deliver: Takes an id and returns when the worker is free for another, so
                that a busy one leaves the next to others.
        """
        ...

    def add_queue(self, queue: str) -> None:
        """Receive from this queue too; called while `receive` runs."""
        ...

    def close(self) -> None:
        """Let go of the broker, without waiting for it; twice does nothing more."""
        ...
