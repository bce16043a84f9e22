"""Projects of every combination of flags, for fast and slow tests alike."""

from itertools import product
from typing import Any

from foretell.builder.names import project_name
from foretell.builder.project_code import Project
from foretell.builder.specification import Spec

STYLES = ("minimal", "api", "ml")
DATABASES = ("sqlite", "postgres", "mysql")
JOBS = ("embedded", "celery")
HOSTS = ("fastapi", "django", "flask")
COMBINATIONS = list(product(STYLES, DATABASES, JOBS, HOSTS))

SPEC: dict[str, Any] = {
    "description": 'Sells "things".',
    "resources": {
        "customer": {
            "fields": {"email": "str!", "name": "str", "age": "int?", "since": "date?"}
        },
        "order": {
            "owned": True,
            "description": "What a customer wants.",
            "fields": {
                "number": "int!",
                "customer": "ref:customer",
                "rival": "ref:customer?",
                "parent": "ref:order?",
                "total": "decimal",
                "placed": "datetime^",
                "key": "uuid",
                "weight": "float",
                "paid": "bool",
                "data": "json",
                "type": "str",
                "note": "text?",
            },
        },
    },
    "tasks": {
        "send_welcome": {"args": {"email": "str", "count": "int?"}, "max_attempts": 5},
        "tidy_up": {"description": "Tidy up."},
    },
    "schedules": {"nightly": {"task": "tidy_up", "cron": "0 3 * * *"}},
    "datasets": {"sales": {"file": "data/sales.csv"}},
    "models": {"late": {"file": "late.joblib", "alias": "champion"}},
    "auth": {"signup": "open", "roles": {"ann@example.org": "editor"}},
}


def project(
    style: Any, db: Any = "sqlite", jobs: Any = "embedded", host: Any = "fastapi"
) -> Project:
    """A project with the example of its style."""
    return Project(project_name("shop"), style, Spec(db=db, jobs=jobs, host=host))


def specified(name: str = "shop") -> Project:
    """A project from a spec file."""
    return Project(project_name(name), "api", Spec.model_validate(SPEC), has_spec=True)
