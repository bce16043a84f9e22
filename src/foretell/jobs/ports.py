"""What may carry the ids of jobs to workers on other machines, as a port."""

from typing import Protocol


class Executor(Protocol):
    """A broker or queue. It carries ids and no truth: a job that it loses is found
    by the sweep, one that it delivers twice is claimed once."""

    def send(self, job_id: str, queue: str) -> None:
        """Hand over an id; blocks, for a moment.

        Raises:
            Unavailable: The broker does not answer.
        """
        ...

    def close(self) -> None:
        """Let go of the broker; twice does nothing more."""
        ...
