"""Puts the fast path in front of an application."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from foretell.http.edge import Edge
from foretell.http.state import AppState
from foretell.resources.description import ResourceDescription
from foretell.resources.fast.columns import is_servable
from foretell.resources.fast.door import FastResource, ResourceFastPath
from foretell.resources.fast.sessions import SessionResource

if TYPE_CHECKING:
    from foretell.core.direct import DirectPool


@asynccontextmanager
async def fast_path(
    app: Edge, state: AppState, descriptions: Sequence[ResourceDescription]
) -> AsyncIterator[None]:
    """Let `app` answer usual requests for resources before FastAPI looks at them, until
    the block ends: on PostgreSQL straight from the driver where nothing but the
    database decides, by the service of the routes otherwise."""
    if not (descriptions and state.settings.fast_path):
        yield
        return
    async with _direct_pool(state) as pool:
        resources = [_resource(one, state, pool) for one in descriptions]
        door = ResourceFastPath(resources, state.authenticator)
        app.add_fast_path(door)
        try:
            yield
        finally:
            app.remove_fast_path(door)


def _resource(
    description: ResourceDescription, state: AppState, pool: "DirectPool | None"
) -> FastResource:
    if pool is None or not is_servable(description):
        return SessionResource(description, state)
    from foretell.resources.fast.direct import DirectResource

    return DirectResource(
        description,
        pool,
        state.database.engine.dialect,
        clock=state.clock,
        cursors=state.cursors,
    )


@asynccontextmanager
async def _direct_pool(state: AppState) -> "AsyncIterator[DirectPool | None]":
    database = state.database
    if database.dialect != "postgresql":
        yield None
        return
    # The driver is an extra: without a PostgreSQL URL it need not be there.
    from foretell.core.direct import DirectPool

    slow = database.slow_queries
    pool = DirectPool(
        database.engine.url,
        size=state.settings.database_pool_size,
        wait_seconds=state.settings.database_pool_timeout,
        observe=None if slow is None else slow.observe,
    )
    database.other_gates.append(pool.gate)
    state.provide(pool)
    try:
        yield pool
    finally:
        database.other_gates.remove(pool.gate)
        await pool.close()
