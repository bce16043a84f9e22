"""The whole application in the test's own process, so that a test can look inside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from foretell.app import create_app
from foretell.core.clock import Clock
from foretell.http.edge import Edge
from foretell.settings import Settings


@asynccontextmanager
async def running(
    data_dir: Path, *, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Edge]:
    """An application that has started, without workers."""
    found = Settings(data_dir=data_dir, **settings)
    app = create_app(found, clock=clock, with_worker=False)
    async with app.router.lifespan_context(app):
        yield app


@asynccontextmanager
async def calling(app: Edge, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application in this process."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://testserver",
        headers=headers,
        timeout=60,
    ) as client:
        yield client
