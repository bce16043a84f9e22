"""Hears of new jobs from PostgreSQL: LISTEN, on a connection kept for it.

The statement that brings a job into the queue also says NOTIFY, so that workers on
every machine hear of it with its commit and never before. What is said while the
connection is away is not heard later; so each new one begins with a look at the table,
and workers look by themselves once a second all the same. Behind a pooler that gives
connections away after each transaction nothing is heard, and the looks are what
remains.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
from sqlalchemy import URL

from foretell.core.direct import driver_options
from foretell.core.logs import get_logger
from foretell.jobs.statements import CHANNEL

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_CONNECT_SECONDS = 5.0
_PAUSES_SECONDS = (0.2, 5.0)  # after the first failure, and at most
# A machine that vanished says no goodbye; then only a question tells.
_QUESTION_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
log = get_logger(__name__)


class PostgresqlEar:
    """Listens until it is closed, on one connection after the other.

    Args:
        on_ring: Runs on the loop, when jobs were announced or may have been.
    """

    def __init__(self, url: URL, on_ring: Callable[[], None]) -> None:
        self._options = driver_options(url)
        self._on_ring = on_ring
        self._task = asyncio.create_task(self._listen_for_ever())

    def close(self) -> None:
        self._task.cancel()

    async def _listen_for_ever(self) -> None:
        pause = _PAUSES_SECONDS[0]
        while True:
            try:
                await self._listen()
                pause = _PAUSES_SECONDS[0]
            except _AWAY as error:
                log.warning("jobs.not_listening", reason=type(error).__name__)
                pause = min(2 * pause, _PAUSES_SECONDS[1])
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        """Until the connection ends."""
        connection: Any = await asyncpg.connect(
            **{**self._options, "timeout": _CONNECT_SECONDS}
        )
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _connection: ended.set())
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self._on_ring()
            while not await _is_set(ended, _QUESTION_SECONDS):
                await connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)
        finally:
            connection.terminate()

    def _heard(self, *_what: Any) -> None:
        self._on_ring()


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, no longer than so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
