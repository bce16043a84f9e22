"""`Server-Timing`: where the time of an answer went, for people who look at it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class ServerTiming:
    """Collects the milliseconds of named steps."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time of the block as the step `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._steps.append((name, (time.perf_counter() - started) * 1000))

    @property
    def header(self) -> dict[str, str]:
        """The header, in the order of the steps."""
        steps = (f"{name};dur={spent:.2f}" for name, spent in self._steps)
        return {"Server-Timing": ", ".join(steps)}
