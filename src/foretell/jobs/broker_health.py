"""Whether the broker answers, for `/readyz`."""

import asyncio
import time
from typing import Any

from foretell.errors import Unavailable
from foretell.jobs.ports import Executor

# A broker that hangs holds a thread for its time-out: one at a time, and not for
# every look.
_KEPT_SECONDS = 1.0


class BrokerHealth:
    """Asks at most one question at a time, on a thread.

    A broker that is away refuses nobody: jobs are accepted, and run when it is back or
    when a worker looks by itself. So it makes a server `degraded`, not unavailable.
    """

    def __init__(self, executor: Executor, name: str) -> None:
        self._executor = executor
        self._name = name
        self._asking: asyncio.Future[str | None] | None = None
        self._asked = 0.0

    async def check(self) -> dict[str, Any]:
        now = time.monotonic()
        is_old = now - self._asked > _KEPT_SECONDS
        if self._asking is None or (self._asking.done() and is_old):
            self._asked = now
            self._asking = asyncio.ensure_future(asyncio.to_thread(self._ask))
        found = {"executor": self._name, "is_required": False}
        try:
            # The question goes on when this caller's patience ends.
            async with asyncio.timeout(_KEPT_SECONDS):
                reason = await asyncio.shield(self._asking)
        except TimeoutError:
            reason = "no answer in time"
        return found if reason is None else {**found, "ok": False, "reason": reason}

    def _ask(self) -> str | None:
        try:
            self._executor.check()
        except Unavailable as error:
            return error.detail
        return None
