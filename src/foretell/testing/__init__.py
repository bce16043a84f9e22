"""For the tests of a team's own backend: `pytest_plugins = ["foretell.testing"]`.

The fixtures give an application on a temporary directory, signed-in clients, jobs
that run in the test's own process, a clock that moves when told and the mails that
were sent. Nothing is faked but the clock: the database, the sign-in, the jobs and the
HTTP conversation are the real ones. Needs pytest and pytest-asyncio.
"""

from foretell.testing.databases import pytest_addoption
from foretell.testing.fixtures import (
    anonymous,
    app,
    client,
    clock,
    database_url,
    extensions,
    foretell_blank,
    outbox,
    run_jobs,
    settings,
    sign_in,
)
from foretell.testing.mails import Mail, Outbox
from foretell.testing.overriding import override
from foretell.testing.people import SignIn

__all__ = [
    "Mail",
    "Outbox",
    "SignIn",
    "anonymous",
    "app",
    "client",
    "clock",
    "database_url",
    "extensions",
    "foretell_blank",
    "outbox",
    "override",
    "pytest_addoption",
    "run_jobs",
    "settings",
    "sign_in",
]
