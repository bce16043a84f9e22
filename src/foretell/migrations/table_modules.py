"""The modules that define tables; importing them fills `Base.metadata`."""

from importlib import import_module
from importlib.util import find_spec

TABLE_MODULES = (
    "foretell.core.idempotency",
    "foretell.auth.tables",
    "foretell.jobs.tables",
    "foretell.jobs.schedule_tables",
    "foretell.connections.tables",
    "foretell.datasets.tables",
    "foretell.recipes.tables",
    "foretell.features.tables",
    "foretell.models.tables",
    "foretell.predictions.monitoring.tables",
)


def load() -> None:
    for name in TABLE_MODULES:
        if find_spec(name) is not None:
            import_module(name)
