"""Fixtures of the resources tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.databases import KINDS
from tests.resources.application import Served, served
from tests.resources.looping import Looping, looping


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


@pytest.fixture(scope="module", params=KINDS)
def loop_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Looping]:
    """The test resources on each kind of database, for many calls of one test."""
    with looping(request.param, tmp_path_factory.mktemp("looping")) as found:
        yield found
