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
    from foretell.extension.definition import Extension
    from foretell.http.dependencies import CurrentUser, Session, Settings
    from foretell.http.routing import body_limit, public, requires
    from foretell.jobs.context import JobContext
    from foretell.jobs.dependencies import Jobs
    from foretell.jobs.schemas import JobRead
    from foretell.models.dependencies import Models

_HOMES = {
    "CurrentUser": "foretell.http.dependencies",
    "Datasets": "foretell.datasets.dependencies",
    "Extension": "foretell.extension.definition",
    "JobContext": "foretell.jobs.context",
    "JobRead": "foretell.jobs.schemas",
    "Jobs": "foretell.jobs.dependencies",
    "Models": "foretell.models.dependencies",
    "Session": "foretell.http.dependencies",
    "Settings": "foretell.http.dependencies",
    "create_access_token": "foretell.auth.identity",
    "create_app": "foretell.app",
    "body_limit": "foretell.http.routing",
    "public": "foretell.http.routing",
    "requires": "foretell.http.routing",
}

__all__ = [
    "CurrentUser",
    "Datasets",
    "Extension",
    "JobContext",
    "JobRead",
    "Jobs",
    "Models",
    "Session",
    "Settings",
    "body_limit",
    "create_access_token",
    "create_app",
    "public",
    "requires",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'foretell' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
