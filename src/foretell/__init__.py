"""Foretell: a self-hosted backend for tables and trained models.

Public names are loaded when they are asked for: `import foretell` alone loads no
web framework, no database and no data library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.app import create_app
    from foretell.auth.dependencies import IdentityOf as Identity
    from foretell.auth.dependencies import Users
    from foretell.auth.identity import create_access_token
    from foretell.datasets.dependencies import Datasets
    from foretell.datasets.rows_in_jobs import dataset_rows
    from foretell.extension.definition import Extension
    from foretell.http.dependencies import CurrentUser, Session, Settings
    from foretell.http.received import TableFile
    from foretell.http.routing import (
        answers_finished,
        body_limit,
        public,
        requires,
        takes_file,
    )
    from foretell.jobs.context import JobContext
    from foretell.jobs.dependencies import Jobs
    from foretell.jobs.schemas import JobRead
    from foretell.models.dependencies import Models
    from foretell.resources.model import Resource

_HOMES = {
    "CurrentUser": "foretell.http.dependencies",
    "Datasets": "foretell.datasets.dependencies",
    "Extension": "foretell.extension.definition",
    "Identity": "foretell.auth.dependencies",
    "JobContext": "foretell.jobs.context",
    "JobRead": "foretell.jobs.schemas",
    "Jobs": "foretell.jobs.dependencies",
    "Models": "foretell.models.dependencies",
    "Resource": "foretell.resources.model",
    "Session": "foretell.http.dependencies",
    "Settings": "foretell.http.dependencies",
    "TableFile": "foretell.http.received",
    "Users": "foretell.auth.dependencies",
    "answers_finished": "foretell.http.routing",
    "create_access_token": "foretell.auth.identity",
    "create_app": "foretell.app",
    "dataset_rows": "foretell.datasets.rows_in_jobs",
    "body_limit": "foretell.http.routing",
    "public": "foretell.http.routing",
    "requires": "foretell.http.routing",
    "takes_file": "foretell.http.routing",
}
# `Identity` is the class at home; what a route asks for is the dependency.
_OTHER_NAMES = {"Identity": "IdentityOf"}

__all__ = [
    "CurrentUser",
    "Datasets",
    "Extension",
    "Identity",
    "JobContext",
    "JobRead",
    "Jobs",
    "Models",
    "Resource",
    "Session",
    "Settings",
    "TableFile",
    "Users",
    "answers_finished",
    "body_limit",
    "create_access_token",
    "create_app",
    "dataset_rows",
    "public",
    "requires",
    "takes_file",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'foretell' has no attribute {name!r}")
    return getattr(import_module(home), _OTHER_NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
