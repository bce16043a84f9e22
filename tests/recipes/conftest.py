"""Extensions are tested as their authors test them: with `foretell.testing`."""

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
