"""Fixtures of the resources tests."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.databases import KINDS, throw_away
from tests.resources.application import Served, served
from tests.resources.emptying import empty
from tests.resources.looping import Looping, looping


@dataclass(frozen=True, slots=True)
class Door:
    """Where an application works, and by which path it answers."""

    folder: Path
    url: str
    is_fast: bool = False


# One application for each kind of database serves all tests, each on empty tables: to
# start one takes longer than most of them. They share the session's loop.
@pytest.fixture(scope="session", params=(*KINDS, *(f"fast-{kind}" for kind in KINDS)))
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """A database of each kind, with the fast path and without."""
    folder = tmp_path_factory.mktemp(f"door-{request.param}")
    kind = request.param.removeprefix("fast-")
    is_fast = kind != request.param
    if kind == "sqlite":
        yield Door(folder, f"sqlite+aiosqlite:///{folder / 'r.db'}", is_fast)
        return
    with throw_away(kind) as url:
        yield Door(folder, url, is_fast)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def behind_door(door: Door) -> AsyncIterator[Served]:
    async with served(door.folder, door.url, is_fast=door.is_fast) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def resources(behind_door: Served) -> Served:
    """The test resources on each kind of database, on empty tables."""
    await empty(behind_door)
    return behind_door


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_sqlite(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("sqlite")
    async with served(folder, f"sqlite+aiosqlite:///{folder / 'r.db'}") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def on_sqlite(shared_sqlite: Served) -> Served:
    """The test resources on SQLite alone, for what no database decides."""
    await empty(shared_sqlite)
    return shared_sqlite


@pytest.fixture(scope="module", params=KINDS)
def loop_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Looping]:
    """The test resources on each kind of database, for many calls of one test."""
    with looping(request.param, tmp_path_factory.mktemp("looping")) as found:
        yield found
