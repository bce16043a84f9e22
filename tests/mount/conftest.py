"""Foretell, not yet started, for a host to mount."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx2
import pytest
from starlette.applications import Starlette

from foretell.app import create_app
from foretell.core.clock import FakeClock
from foretell.http.edge import Edge
from foretell.settings import Settings
from foretell.testing import clock, database_url, foretell_blank, settings
from foretell.testing.unmigrated import make_tables

__all__ = ["clock", "database_url", "foretell_blank", "settings"]


@pytest.fixture
async def foretell(settings: Settings, clock: FakeClock) -> AsyncIterator[Edge]:
    app = create_app(settings, clock=clock, with_worker=False)
    await make_tables(app.state.foretell)
    yield app
    # Its lifespan does it, where it ran.
    await app.state.foretell.database.close()


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., object]]:
    """`await opened(host)`: a client of a host whose lifespan runs."""
    async with AsyncExitStack() as stack:

        async def open_(host: Starlette, **headers: str) -> httpx2.AsyncClient:
            await stack.enter_async_context(host.router.lifespan_context(host))
            return await stack.enter_async_context(client_of(host, **headers))

        yield open_


def client_of(host: object, **headers: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=host)  # type: ignore[arg-type]
    return httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    )
