"""Builds the parts of predictions: for API processes and for workers."""

from prometheus_client import CollectorRegistry

from foretell.core.parts import Parts
from foretell.core.scratch import Scratch
from foretell.features.service import OwnFunctionsOf
from foretell.models.changes import Changes
from foretell.models.serving import ServedModels
from foretell.predictions.batching import BatchScorer
from foretell.predictions.host import ModelHosts
from foretell.predictions.metrics import PredictionMetrics
from foretell.predictions.monitoring.recording import PredictionLog
from foretell.predictions.service import Predictions
from foretell.predictions.shadows import Shadows
from foretell.predictions.snapshot import Serving
from foretell.predictions.versions import VersionLoader
from foretell.sandbox.pool import Sandbox


def provide_batches(parts: Parts, scratch: Scratch) -> None:
    """Give `parts` what the batch job needs."""
    settings = parts.settings
    parts.provide(
        BatchScorer(
            parts.port(Sandbox),
            parts.blobs,
            scratch,
            memory_bytes=int(settings.worker_memory),
            allow=settings.pickle_allow,
            functions=parts.port(OwnFunctionsOf).functions,
        )
    )


def provide_predictions(
    parts: Parts, scratch: Scratch, registry: CollectorRegistry
) -> Predictions:
    """Give `parts`, those of an API process, what answers calls.

    `predictions.serving.run()` is to run beside the application, and
    `predictions.close()` when it ends.
    """
    settings = parts.settings
    functions = parts.port(OwnFunctionsOf).functions
    hosts = ModelHosts(
        parts.port(Sandbox),
        parts.blobs,
        scratch,
        memory_bytes=int(settings.worker_memory),
        allow=settings.pickle_allow,
        functions=functions,
    )
    metrics = PredictionMetrics(registry)
    log = PredictionLog(parts.database, parts.clock, int(settings.monitoring_bytes))
    parts.provide(log)
    loader = VersionLoader(parts.blobs, hosts, metrics, functions, log)
    serving = Serving(ServedModels(parts.database), loader, parts.port(Changes))
    shadows = Shadows(serving, metrics)
    predictions = Predictions(serving, shadows, settings.default_model)
    parts.provide(predictions)
    return predictions
