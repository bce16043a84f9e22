"""Who may ask a reader next: callers in turn, each in the order of its questions.

First come, first served would let one caller with a hundred questions keep another
with one waiting for all of them.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from foretell.datasets.errors import ReadersBusy


class Turns:
    """A number of places, and a bounded queue in front; a value for one event loop.

    Args:
        places: Questions that run at a time.
        waiting: Questions that may wait, of all callers together.
        patience_seconds: How long one of them waits at most.
    """

    def __init__(self, places: int, *, waiting: int, patience_seconds: float) -> None:
        self._free = places
        self._room = waiting
        self._patience_seconds = patience_seconds
        # Callers in the order of their turns, none without a question.
        self._callers: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        """Questions in the queue."""
        return sum(map(len, self._callers.values()))

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Hold a place for the block.

        Raises:
            ReadersBusy: The queue is full, or the wait took too long.
        """
        await self._take(caller)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, caller: str) -> None:
        if self._free and not self._callers:
            self._free -= 1
            return
        if self.waiting >= self._room:
            raise ReadersBusy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._callers.setdefault(caller, deque()).append(turn)
        try:
            async with asyncio.timeout(self._patience_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give_back()  # it was given in the same moment
            else:
                self._forget(caller, turn)
            if isinstance(error, TimeoutError):
                raise ReadersBusy from None
            raise

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        queue = self._callers.get(caller, deque())
        if turn in queue:
            queue.remove(turn)
        if not queue:
            self._callers.pop(caller, None)

    def _give_back(self) -> None:
        while self._callers:
            caller, queue = next(iter(self._callers.items()))
            del self._callers[caller]
            turn = queue.popleft()
            if queue:
                self._callers[caller] = queue  # behind the others
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
