"""A served application and the loop that it lives in, for property tests.

Hypothesis calls plain functions many times; they share one application.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.databases import throw_away
from tests.resources.application import Served, served

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Looping:
    """The application, and how to wait for it."""

    served: Served
    runner: asyncio.Runner

    def __repr__(self) -> str:
        return self.served.state.database.dialect

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)


@contextmanager
def looping(kind: str, folder: Path) -> Iterator[Looping]:
    """The test resources on an empty database of a kind."""
    with ExitStack() as stack:
        url = f"sqlite+aiosqlite:///{folder / 'test.db'}"
        if kind != "sqlite":
            url = stack.enter_context(throw_away(kind))
        runner = stack.enter_context(asyncio.Runner())
        opened = served(folder, url)
        running = runner.run(opened.__aenter__())
        stack.callback(lambda: runner.run(opened.__aexit__(None, None, None)))
        yield Looping(running, runner)
