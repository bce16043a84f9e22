"""Figures of limits, the cache and the shared store, read when somebody asks."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from foretell.core.cache import Cache, LocalCache, SharedCache
from foretell.core.rates import Rates
from foretell.core.shared import Shared
from foretell.core.shared_rates import SharedRates
from foretell.http.rate_limits import RateLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingFigures(Collector):
    """See the module's head."""

    shared: Shared | None
    rates: Rates | None
    limits: RateLimits | None
    local_cache: LocalCache
    cache: Cache

    def collect(self) -> Iterator[Metric]:
        yield from self._of_limits()
        yield from self._of_cache()
        if self.shared is not None:
            yield GaugeMetricFamily(
                "foretell_shared_store_up",
                "Whether the shared store is asked; 0 after it did not answer.",
                float(self.shared.is_there),
            )
            yield CounterMetricFamily(
                "foretell_shared_store_outages",
                "How often the shared store went away.",
                self.shared.outages,
            )

    def _of_limits(self) -> Iterator[Metric]:
        if self.limits is None:
            return
        refused = CounterMetricFamily(
            "foretell_rate_limited",
            "Requests over the limit of their caller, by what named the caller.",
            labels=["caller"],
        )
        for kind, count in self.limits.refused.items():
            refused.add_metric([kind], count)
        yield refused
        if isinstance(self.rates, SharedRates):
            yield CounterMetricFamily(
                "foretell_rate_limit_alone",
                "Requests that this process counted alone: the shared store was away.",
                self.rates.alone,
            )

    def _of_cache(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "foretell_cache_bytes", "Computed answers kept.", self.local_cache.bytes
        )
        asked = CounterMetricFamily(
            "foretell_cache_lookups",
            "Where computed answers were found: in this process, shared, or nowhere.",
            labels=["found"],
        )
        shared = self.cache.hits if isinstance(self.cache, SharedCache) else 0
        asked.add_metric(["process"], self.local_cache.hits)
        asked.add_metric(["shared"], shared)
        asked.add_metric(["nowhere"], self.local_cache.misses - shared)
        yield asked
