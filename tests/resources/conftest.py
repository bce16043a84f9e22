"""Fixtures of the resources tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.resources.application import Served, served


@pytest.fixture
async def resources(tmp_path: Path, database_url: str) -> AsyncIterator[Served]:
    """The test resources on each kind of database."""
    async with served(tmp_path, database_url) as running:
        yield running


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[Served]:
    """The test resources on SQLite alone, for what no database decides."""
    async with served(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'r.db'}") as running:
        yield running
