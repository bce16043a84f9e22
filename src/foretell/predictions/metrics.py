"""Figures of predictions. Children are bound once a version: labels() costs more than
counting does."""

from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.0001, 0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10)


@dataclass(frozen=True, slots=True)
class VersionMetrics:
    """The children of one version."""

    calls: Any
    rows: Any
    seconds: Any


class PredictionMetrics:
    """Counts what was predicted, by model and version."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("model", "version")
        self._calls = Counter(
            "foretell_predictions", "Calls answered.", labels, registry=registry
        )
        self._rows = Counter(
            "foretell_prediction_rows", "Rows answered.", labels, registry=registry
        )
        self._seconds = Histogram(
            "foretell_prediction_seconds",
            "Time from the body to the answer, in seconds.",
            labels,
            buckets=_BUCKETS,
            registry=registry,
        )

    def of(self, model: str, version: int) -> VersionMetrics:
        """The figures of one version."""
        labels = (model, str(version))
        return VersionMetrics(
            self._calls.labels(*labels),
            self._rows.labels(*labels),
            self._seconds.labels(*labels),
        )

    def forget(self, model: str, version: int) -> None:
        """Stop showing a version that is not loaded any more."""
        for metric in (self._calls, self._rows, self._seconds):
            metric.remove(model, str(version))
