"""Whom Django has signed in, by its own session cookie and its own code."""

from importlib import import_module

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from foretell.auth.host_users import HostUser
from foretell.core.principal import Role


async def django_user(connection: HTTPConnection) -> HostUser | None:
    """The user of Django's session, when there is one and they are active.

    A superuser is an admin here; the role of everybody else is for Foretell's admins to
    say. Django does not check e-mails, so none is taken for proven. The default of
    `mount_in_django`.
    """
    from django.conf import settings

    key = connection.cookies.get(settings.SESSION_COOKIE_NAME)
    return await run_in_threadpool(_user_of, key) if key else None


def _user_of(session_key: str) -> HostUser | None:
    from django.conf import settings
    from django.contrib.auth import get_user
    from django.db import close_old_connections
    from django.http import HttpRequest

    # What Django does around a request of its own: this thread may have served others.
    close_old_connections()
    try:
        request = HttpRequest()
        engine = import_module(settings.SESSION_ENGINE)
        request.session = engine.SessionStore(session_key)
        user = get_user(request)
        if not user.is_authenticated:
            return None
        return HostUser(
            id=f"django:{user.pk}",
            email=getattr(user, "email", "") or f"{user.pk}@django.invalid",
            name=str(user.get_full_name() or user.get_username()),
            role=Role.ADMIN if getattr(user, "is_superuser", False) else None,
        )
    finally:
        close_old_connections()
