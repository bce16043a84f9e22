"""Tells API processes on other machines at once what they would find out by looking.

Signals go by the shared store and may get lost: whoever listens looks at the database
once in a while all the same. Without a shared store nothing is sent.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

from foretell.core.ids import new_id
from foretell.core.shared import ANSWER_SECONDS, Shared, SharedStoreUnavailable

AGAIN_SECONDS = 1.0


class Signals:
    """Named signals between processes; `run` listens to those of the others."""

    def __init__(self, shared: Shared | None) -> None:
        self._shared = shared
        self._own_id = new_id()
        self._calls: dict[str, list[Callable[[], None]]] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def on(self, name: str, call: Callable[[], None]) -> None:
        """Call `call` when another process sends `name`, and when some of its signals
        may have been missed."""
        self._calls.setdefault(name, []).append(call)

    def send(self, name: str) -> None:
        """Tell the others, in the background."""
        if self._shared is not None and self._shared.is_there:
            task = asyncio.create_task(self._send(self._shared, name))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def run(self) -> None:
        """Listen until cancelled."""
        if self._shared is None:
            return
        while True:
            try:
                await self._listen(self._shared)
            except SharedStoreUnavailable as error:
                self._shared.note_away(error.detail)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _listen(self, shared: Shared) -> None:
        async with aclosing(shared.store.listen()) as signals:
            async for signal in signals:
                self._hear(signal)

    def _hear(self, signal: str) -> None:
        name, _, sender = signal.partition(" ")
        if sender == self._own_id:
            return
        names = [name] if name else list(self._calls)
        for call in [c for n in names for c in self._calls.get(n, ())]:
            call()

    async def _send(self, shared: Shared, name: str) -> None:
        with suppress(SharedStoreUnavailable):
            signal = f"{name} {self._own_id}"
            await shared.ask(shared.store.publish(signal), ANSWER_SECONDS)
