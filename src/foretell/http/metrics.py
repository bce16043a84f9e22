"""Prometheus figures and the loop-lag gauge."""

import asyncio
import contextlib
import time
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from foretell.core.db import PoolStatus

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LAG_INTERVAL_SECONDS = 0.05


class Metrics:
    """One registry for one application, so that two in one process do not clash."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "foretell_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "foretell_http_request_seconds",
            "Time to answer, in seconds.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.loop_lag = Gauge(
            "foretell_event_loop_lag_seconds",
            "How late the event loop ran, worst of the last second.",
            registry=self.registry,
        )
        self._connections = Gauge(
            "foretell_database_connections",
            "Connections of this process to its own database: in use, and at most.",
            ("state",),
            registry=self.registry,
        )
        self._waiting = Gauge(
            "foretell_database_waiting",
            "Callers who wait for a database connection.",
            registry=self.registry,
        )
        self._refused = Counter(
            "foretell_database_refused",
            "Callers who got no database connection in time.",
            registry=self.registry,
        )
        self._refused_before = 0
        # labels() costs more than inc(); the children are kept.
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def observe_request(
        self, method: str, route: str, status: int, seconds: float
    ) -> None:
        """Count one answered request. `route` is a template, never a raw path."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            children = (
                self._requests.labels(method, route, str(status)),
                self._seconds.labels(method, route),
            )
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def observe_database(self, status: PoolStatus) -> None:
        """Take over the state of the database's connections."""
        self._connections.labels("checked_out").set(status.checked_out)
        self._connections.labels("size").set(status.size)
        self._waiting.set(status.waiting)
        self._refused.inc(status.refused - self._refused_before)
        self._refused_before = status.refused

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)

    async def watch_loop(self) -> None:
        """Measure until cancelled how late a short timer fires."""
        worst, until = 0.0, time.monotonic() + 1
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                before = time.monotonic()
                await asyncio.sleep(_LAG_INTERVAL_SECONDS)
                now = time.monotonic()
                worst = max(worst, now - before - _LAG_INTERVAL_SECONDS)
                if now >= until:
                    self.loop_lag.set(worst)
                    worst, until = 0.0, now + 1
