"""Two API processes on one database, as on two machines."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from fastapi import FastAPI

from foretell.app import create_app
from foretell.core.clock import FakeClock
from foretell.http.sharing import Sharing
from foretell.settings import load_settings
from foretell.testing import database_url, foretell_blank
from foretell.testing.people import PASSWORD, SignIn
from foretell.testing.unmigrated import make_tables
from tests.brokers import RedisServer

__all__ = ["database_url", "foretell_blank"]
SECRET = "s" * 40


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def clock() -> FakeClock:
    """Of both: while it stands, nobody looks at the epoch again by themselves."""
    return FakeClock()


async def machines(
    stack: AsyncExitStack, folder: Path, clock: FakeClock, url: str, redis: str | None
) -> list[FastAPI]:
    settings = load_settings(
        data_dir=folder / "data",
        database_url=url,
        redis_url=redis,
        secret_key=SECRET,
        rate_limit=None,
        allowed_hosts=["testserver"],
    )
    apps: list[FastAPI] = [
        create_app(settings, clock=clock, with_worker=False) for _ in range(2)
    ]
    await make_tables(apps[0].state.foretell)
    for app in apps:
        await stack.enter_async_context(app.router.lifespan_context(app))
    return apps


class Holder(NamedTuple):
    """A signed-in client, a key of theirs, and its id."""

    client: httpx2.AsyncClient
    key: str
    key_id: str

    async def withdraw(self) -> None:
        answer = await self.client.delete(f"/api/keys/{self.key_id}")
        assert answer.status_code == 204


async def holder_of_a_key(app: FastAPI, stack: AsyncExitStack) -> Holder:
    client = await SignIn(app, stack)("viewer", email="ann@example.org")
    made = await client.post("/api/keys", json={"name": "k", "scopes": ["models:read"]})
    return Holder(client, made.json()["key"], made.json()["id"])


async def status(app: FastAPI, key: str) -> int:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://testserver"
    ) as client:
        headers = {"Authorization": f"Bearer {key}"}
        return (await client.get("/api/models", headers=headers)).status_code


async def test_a_withdrawal_is_told_to_the_other_machine(
    stack, tmp_path, clock, database_url, redis
):
    here, there = await machines(stack, tmp_path, clock, database_url, redis.url)
    holder = await holder_of_a_key(here, stack)
    assert await status(there, holder.key) == 200
    await holder.withdraw()
    async with asyncio.timeout(20):
        while await status(there, holder.key) != 401:
            await asyncio.sleep(0.01)


async def test_a_withdrawal_that_was_missed_is_found_when_redis_is_back(
    stack, tmp_path, clock, database_url, redis
):
    here, there = await machines(stack, tmp_path, clock, database_url, redis.url)
    holder = await holder_of_a_key(here, stack)
    assert await status(there, holder.key) == 200
    redis.kill()
    await holder.withdraw()
    assert await status(there, holder.key) == 200  # the clock stands
    redis.start()
    async with asyncio.timeout(20):
        while await status(there, holder.key) != 401:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("state", ["absent", "frozen"])
async def test_a_withdrawal_acts_within_a_second_without_redis(
    stack, tmp_path, clock, database_url, redis, state
):
    url = redis.url if state == "frozen" else None
    here, there = await machines(stack, tmp_path, clock, database_url, url)
    if state == "frozen":
        redis.freeze()
    holder = await holder_of_a_key(here, stack)
    assert await status(there, holder.key) == 200
    await holder.withdraw()
    clock.advance(seconds=1)
    assert await status(there, holder.key) == 401


async def test_failed_sign_ins_are_counted_for_all_machines(
    stack, tmp_path, clock, database_url
):
    """By the database: a Redis that forgets must not give guesses back."""
    apps = await machines(stack, tmp_path, clock, database_url, None)
    await SignIn(apps[0], stack)("viewer", email="ann@example.org")
    statuses = []
    for turn in range(7):
        form = {"grant_type": "password", "username": "ann@example.org"}
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=apps[turn % 2]),
            base_url="http://testserver",
        ) as client:
            answer = await client.post(
                "/token", data={**form, "password": PASSWORD + "x"}
            )
            statuses.append(answer.status_code)
    assert statuses == [400] * 5 + [429] * 2


async def test_figures_are_computed_by_one_machine(
    stack, tmp_path, clock, database_url, redis
):
    apps = await machines(stack, tmp_path, clock, database_url, redis.url)
    caches = [app.state.foretell.port(Sharing).cache for app in apps]
    for app in apps:
        await app.state.foretell.port(Sharing).shared.store.ping()
    await caches[0].put("k", b"figures")
    assert await caches[1].get("k") == b"figures"
