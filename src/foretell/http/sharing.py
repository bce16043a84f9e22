"""What the API processes of all machines share: limits, signals and a cache.

With REDIS_URL they go by way of Redis; without it, or while it is away, each process
has its own, and everything works.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from foretell.core.cache import Cache, LocalCache, SharedCache
from foretell.core.rates import LocalRates, Rate, Rates
from foretell.core.shared import (
    ANSWER_SECONDS,
    Shared,
    SharedStoreUnavailable,
    open_store,
)
from foretell.core.shared_rates import SharedRates
from foretell.core.signals import Signals
from foretell.http.edge import Edge
from foretell.http.metrics import Metrics
from foretell.http.rate_limits import RateLimits
from foretell.http.sharing_metrics import SharingFigures
from foretell.http.state import AppState
from foretell.settings import Settings, parse_rate

PART = "redis"
"""Name in `/readyz` and of the finding of `foretell doctor`."""


class Sharing:
    """The parts of one process. Opens no connection before it is used.

    Args:
        cache_key: 32 bytes, the same on every machine.

    Attributes:
        rates: Counters of callers; `None` without RATE_LIMIT.
    """

    def __init__(self, settings: Settings, cache_key: bytes) -> None:
        store = open_store(settings)
        self.shared = None if store is None else Shared(store)
        self.signals = Signals(self.shared)
        self.rate = (
            Rate(*parse_rate(settings.rate_limit)) if settings.rate_limit else None
        )
        self.rates = None if self.rate is None else self._rates(self.rate)
        self.local_cache = LocalCache(int(settings.cache_bytes))
        self.cache = (
            self._cache(cache_key) if settings.cache_bytes else self.local_cache
        )

    async def check(self) -> dict[str, Any]:
        """For `/readyz`: nobody needs the shared store."""
        found = {"is_required": False}
        if self.shared is None:
            return found
        try:
            await self.shared.ask(self.shared.store.ping(), ANSWER_SECONDS)
        except SharedStoreUnavailable as error:
            return {**found, "ok": False, "reason": error.detail}
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen to the other processes while the block runs."""
        listening = asyncio.create_task(self.signals.run())
        try:
            yield
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            if self.shared is not None:
                await self.shared.close()

    def _rates(self, rate: Rate) -> Rates:
        return (
            LocalRates(rate) if self.shared is None else SharedRates(rate, self.shared)
        )

    def _cache(self, key: bytes) -> Cache:
        own = self.local_cache
        return own if self.shared is None else SharedCache(own, self.shared, key)


def share(app: Edge, state: AppState) -> None:
    """Count the callers of `app`, and tell of what it shares in its figures."""
    sharing, limits = state.port(Sharing), None
    if sharing.rate is not None and sharing.rates is not None:
        limits = RateLimits(
            sharing.rate, sharing.rates, state.authenticator, app.state.token_schemes
        )
        app.limit_callers(limits)
    if sharing.shared is not None:
        state.checks[PART] = sharing.check
    state.port(Metrics).registry.register(
        SharingFigures(
            shared=sharing.shared,
            rates=sharing.rates,
            limits=limits,
            local_cache=sharing.local_cache,
            cache=sharing.cache,
        )
    )
