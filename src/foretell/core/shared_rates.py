"""Counters that all API processes share, by way of a shared store.

Requests that arrive while a question is under way go together in the next one, so
under load many are counted by one round trip. When the store does not answer in time,
this process counts alone: a limit that is too generous for a while is better than a
server that stands still with its store.
"""

import asyncio
import time
from collections.abc import Callable

from foretell.core.rates import MAX_KEYS, LocalRates, Rate, Verdict
from foretell.core.shared import Shared, SharedStoreUnavailable

PATIENCE_SECONDS = 0.02
MAX_TOGETHER = 500


class SharedRates:
    """Implements `Rates` over a shared store.

    Attributes:
        alone: How many requests this process counted alone.
    """

    def __init__(
        self,
        rate: Rate,
        shared: Shared,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.alone = 0
        self._rate = rate
        self._shared = shared
        self._patience_seconds = patience_seconds
        self._now = now
        self._local = LocalRates(rate, now=now)
        # A spent quota stays spent until its time, since nothing is ever given back: a
        # flood costs the store no questions.
        self._spent_until: dict[str, float] = {}
        self._waiting: list[tuple[str, asyncio.Future[Verdict | None]]] = []
        self._sending: asyncio.Task[None] | None = None

    def refusal(self, key: str) -> Verdict | None:
        until = self._spent_until.get(key)
        if until is None:
            return None if self._shared.is_there else self._local.refusal(key)
        wait = until - self._now()
        if wait > 0:
            return self._rate.verdict(-wait)
        del self._spent_until[key]
        return None

    async def take(self, key: str) -> Verdict:
        refused = self.refusal(key)
        if refused is not None:
            return refused
        verdict = await self._asked(key) if self._shared.is_there else None
        if verdict is None:
            self.alone += 1
            return self._local.take_now(key)
        if not verdict.remaining:
            self._note_spent(key, verdict)
        return verdict

    async def _asked(self, key: str) -> Verdict | None:
        answer: asyncio.Future[Verdict | None]
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        batch: list[tuple[str, asyncio.Future[Verdict | None]]] = []
        try:
            while self._waiting:
                batch = self._waiting[:MAX_TOGETHER]
                del self._waiting[:MAX_TOGETHER]
                question = self._shared.store.take([k for k, _ in batch], self._rate)
                leads = await self._shared.ask(question, self._patience_seconds)
                for (_, answer), lead in zip(batch, leads, strict=True):
                    if not answer.done():  # its request may be gone
                        answer.set_result(self._rate.verdict(lead))
        except SharedStoreUnavailable:
            pass  # `Shared` has said so; the rest is below
        finally:
            self._sending = None
            waiting, self._waiting = self._waiting, []
            for _, answer in batch + waiting:
                if not answer.done():
                    answer.set_result(None)

    def _note_spent(self, key: str, verdict: Verdict) -> None:
        self._spent_until[key] = self._now() + verdict.wait_seconds
        if len(self._spent_until) > MAX_KEYS:
            del self._spent_until[next(iter(self._spent_until))]
