"""Puts Foretell under a prefix of another application, in the same process.

What is mounted hears nothing of the start and the end of its process: these functions
run Foretell's own start and end with the host's, give the host's users an account, and
keep links right below the prefix. Names load on demand: Django is not imported for
Flask.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.auth.host_users import HostUser as HostUser
    from foretell.mount.asgi import mount_in_django as mount_in_django
    from foretell.mount.asgi import mount_in_fastapi as mount_in_fastapi
    from foretell.mount.asgi import mount_in_starlette as mount_in_starlette
    from foretell.mount.django import django_user as django_user
    from foretell.mount.flask import FlaskMount as FlaskMount
    from foretell.mount.flask import mount_in_flask as mount_in_flask

_HOMES = {
    "FlaskMount": "foretell.mount.flask",
    "HostUser": "foretell.auth.host_users",
    "django_user": "foretell.mount.django",
    "mount_in_django": "foretell.mount.asgi",
    "mount_in_fastapi": "foretell.mount.asgi",
    "mount_in_flask": "foretell.mount.flask",
    "mount_in_starlette": "foretell.mount.asgi",
}

__all__ = [
    "FlaskMount",
    "HostUser",
    "django_user",
    "mount_in_django",
    "mount_in_fastapi",
    "mount_in_flask",
    "mount_in_starlette",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
