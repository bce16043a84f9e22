"""Puts the fast path together."""

from collections.abc import Sequence

from foretell.core.direct import DirectPool
from foretell.http.state import AppState
from foretell.resources.description import ResourceDescription
from foretell.resources.fast.columns import is_servable
from foretell.resources.fast.door import ResourceFastPath
from foretell.resources.fast.service import FastResource


def open_pool(state: AppState) -> DirectPool:
    """Connections to the database of `state`, which is PostgreSQL."""
    return DirectPool(
        state.database.engine.url,
        size=state.settings.database_pool_size,
        wait_seconds=state.settings.database_pool_timeout,
    )


def fast_path(
    descriptions: Sequence[ResourceDescription], state: AppState, pool: DirectPool
) -> ResourceFastPath:
    """The fast path of those of `descriptions` that it can serve."""
    dialect = state.database.engine.dialect
    return ResourceFastPath(
        [
            FastResource(
                description, pool, dialect, clock=state.clock, cursors=state.cursors
            )
            for description in descriptions
            if is_servable(description)
        ],
        state.authenticator,
    )
