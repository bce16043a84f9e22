"""What wakes workers, as ports: bells that are rung and ears that hear them, and what
carries the ids of jobs to workers on other machines.

None of them holds a truth. A ring that is lost costs at most a poll, an id that is
lost is found by the sweep.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

Audience = Literal["worker", "server"]
"""Workers look for work, servers for news to tell."""


class Waiting(NamedTuple):
    """A job that waits for a worker; `run_at` where it was given a moment."""

    id: str
    queue: str
    run_at: datetime | None = None


class Bell(Protocol):
    """Tells those who listen that there is something to look at."""

    def ring(self, *jobs: Waiting) -> None:
        """Wake whoever listens, now or a little later; never waits or raises.

        Args:
            jobs: Why, for bells that say so.
        """
        ...


class Ear(Protocol):
    """Hears bells, from when it is made on a running event loop until it is closed."""

    def close(self) -> None: ...


OpenEar = Callable[[Audience, Callable[[], None]], Ear]
"""Makes an ear of an audience; the function runs on the loop when a bell rings."""


class SilentBell:
    """For places without listeners: everybody polls."""

    def ring(self, *_jobs: Waiting) -> None:
        return None


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
