"""Counts the statements of one request, and the connections that it holds at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event

from foretell.core.db import Database

_counted: ContextVar["Statements | None"] = ContextVar("counted", default=None)


class Statements:
    """What was run within a block, by this task and nobody else.

    Attributes:
        texts: The statements with their parameters.
        most: Most connections held at one time.
    """

    def __init__(self) -> None:
        self.texts: list[tuple[str, Any]] = []
        self.held = self.most = 0


def watch(database: Database) -> None:
    """Have statements of `database` counted in blocks of `counted`."""

    def run(_c: Any, _cursor: Any, text: str, values: Any, _x: Any, _m: bool) -> None:
        if (statements := _counted.get()) is not None:
            statements.texts.append((text, values))

    def take(*_: Any) -> None:
        if (statements := _counted.get()) is not None:
            statements.held += 1
            statements.most = max(statements.most, statements.held)

    def give_back(*_: Any) -> None:
        if (statements := _counted.get()) is not None:
            statements.held -= 1

    for engine in (database.engine, database.reading_engine):
        event.listen(engine.sync_engine, "before_cursor_execute", run)
        event.listen(engine.sync_engine, "checkout", take)
        event.listen(engine.sync_engine, "checkin", give_back)


@contextmanager
def counted() -> Iterator[Statements]:
    """Count in this block; the statements of tasks beside it do not count."""
    statements = Statements()
    token = _counted.set(statements)
    try:
        yield statements
    finally:
        _counted.reset(token)
