"""`foretell.testing` tests itself with its own fixtures."""

from foretell.testing import (  # noqa: F401 - fixtures
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
