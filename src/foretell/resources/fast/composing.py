"""Puts the fast path in front of an application, where its database has one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from foretell.http.edge import Edge
from foretell.http.state import AppState
from foretell.resources.description import ResourceDescription


@asynccontextmanager
async def fast_path(
    app: Edge, state: AppState, descriptions: Sequence[ResourceDescription]
) -> AsyncIterator[None]:
    """Let `app` answer usual requests for resources straight from the driver, until
    the block ends; on PostgreSQL only."""
    is_wanted = bool(descriptions) and state.settings.fast_path
    if not is_wanted or state.database.dialect != "postgresql":
        yield
        return
    # The driver is an extra: without a PostgreSQL URL it need not be there.
    from foretell.core.direct import DirectPool
    from foretell.resources.fast.columns import is_servable
    from foretell.resources.fast.door import ResourceFastPath
    from foretell.resources.fast.service import FastResource

    database = state.database
    slow = database.slow_queries
    pool = DirectPool(
        database.engine.url,
        size=state.settings.database_pool_size,
        wait_seconds=state.settings.database_pool_timeout,
        observe=None if slow is None else slow.observe,
    )
    database.other_gates.append(pool.gate)
    state.provide(pool)
    resources = [
        FastResource(
            description,
            pool,
            database.engine.dialect,
            clock=state.clock,
            cursors=state.cursors,
        )
        for description in descriptions
        if is_servable(description)
    ]
    door = ResourceFastPath(resources, state.authenticator)
    app.add_fast_path(door)
    try:
        yield
    finally:
        app.remove_fast_path(door)
        database.other_gates.remove(pool.gate)
        await pool.close()
