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

        self._shadow_rows = Counter(
            "foretell_shadow_rows",
            "Rows scored by a version whose answers nobody gets.",
            labels,
            registry=registry,
        )
        self._shadow_differences = Counter(
            "foretell_shadow_differences",
            "Those for which the version that answered predicted something else.",
            labels,
            registry=registry,
        )
        self._shadow_misses = Counter(
            "foretell_shadow_misses",
            "Calls that a shadow did not score.",
            (*labels, "reason"),
            registry=registry,
        )

    def compared(self, model: str, version: int, rows: int, differences: int) -> None:
        """Count what a shadow scored."""
        self._shadow_rows.labels(model, str(version)).inc(rows)
        self._shadow_differences.labels(model, str(version)).inc(differences)

    def missed(self, model: str, version: int, reason: str) -> None:
        """Count a call that a shadow did not score."""
        self._shadow_misses.labels(model, str(version), reason).inc()

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
