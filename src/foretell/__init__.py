"""Foretell: a self-hosted backend for tables and trained models.

Public names are loaded when they are asked for: `import foretell` alone loads no
web framework, no database and no data library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.app import create_app
    from foretell.auth.identity import create_access_token
    from foretell.datasets.dependencies import Datasets
    from foretell.http.dependencies import CurrentUser, Session, Settings
    from foretell.http.routing import requires
    from foretell.jobs.context import JobContext
    from foretell.jobs.dependencies import Jobs
    from foretell.models.dependencies import Models

_HOMES = {
    "CurrentUser": "foretell.http.dependencies",
    "Datasets": "foretell.datasets.dependencies",
    "JobContext": "foretell.jobs.context",
    "Jobs": "foretell.jobs.dependencies",
    "Models": "foretell.models.dependencies",
    "Session": "foretell.http.dependencies",
    "Settings": "foretell.http.dependencies",
    "create_access_token": "foretell.auth.identity",
    "create_app": "foretell.app",
    "requires": "foretell.http.routing",
}

__all__ = [
    "CurrentUser",
    "Datasets",
    "JobContext",
    "Jobs",
    "Models",
    "Session",
    "Settings",
    "create_access_token",
    "create_app",
    "requires",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'foretell' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
