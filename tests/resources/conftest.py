"""Fixtures of the resources tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.databases import KINDS, throw_away
from tests.resources.application import Served, served
from tests.resources.looping import Looping, looping


@pytest.fixture(params=(*KINDS, "fast"))
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, bool]]:
    """The URL of an empty database of each kind, and whether the fast path answers;
    PostgreSQL comes with and without."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'r.db'}", False
        return
    is_fast = request.param == "fast"
    with throw_away("postgresql" if is_fast else request.param) as url:
        yield url, is_fast


@pytest.fixture
async def resources(tmp_path: Path, door: tuple[str, bool]) -> AsyncIterator[Served]:
    """The test resources on each kind of database."""
    url, is_fast = door
    async with served(tmp_path, url, is_fast=is_fast) as running:
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
