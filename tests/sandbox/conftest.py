"""A sandbox that forks and one that spawns: children are held alike."""

from collections.abc import AsyncIterator

import pytest

from foretell.sandbox.pool import Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(preload=["tests.sandbox.children"]) as sandbox:
        yield sandbox


@pytest.fixture(params=["fork", "spawn"])
async def any_sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    async with Sandbox(fork=request.param == "fork") as sandbox:
        yield sandbox
