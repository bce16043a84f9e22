"""Caches: one suite for the one of a process and the one over Redis."""

from collections.abc import AsyncIterator, Iterator

import pytest

from foretell.core.cache import Cache, LocalCache, SharedCache
from foretell.core.shared import Shared
from foretell.plugins.shared_stores.redis import RedisStore
from tests.brokers import RedisServer

KEY, MIB = b"k" * 32, 1024**2


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def shared(redis: RedisServer) -> AsyncIterator[Shared]:
    made = Shared(RedisStore(redis.url))
    yield made
    await made.close()


@pytest.fixture(params=["process", "redis"])
def cache(request: pytest.FixtureRequest, shared: Shared) -> Cache:
    own = LocalCache(MIB)
    return own if request.param == "process" else SharedCache(own, shared, KEY)


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return str(request.node.nodeid)


async def test_what_was_put_is_found_and_nothing_else(cache, key):
    assert await cache.get(key) is None
    for value in (b"", b"\x00\xff" * 100, b"again"):
        await cache.put(key, value)
        assert await cache.get(key) == value
    assert await cache.get(f"{key}2") is None


async def test_what_is_too_large_is_not_kept(cache, key):
    await cache.put(key, b"x" * (2 * MIB))
    assert await cache.get(key) is None


async def test_the_bytes_are_bounded_and_the_last_used_stays(key):
    cache = LocalCache(10_000)
    await cache.put(key, b"kept")
    for number in range(100):
        await cache.put(f"{key}{number}", b"x" * 500)
        assert cache.bytes <= 10_000
        assert await cache.get(key) == b"kept"
    assert await cache.get(f"{key}99") is not None
    assert await cache.get(f"{key}0") is None
    assert (cache.hits, cache.misses) == (101, 1)


async def test_another_process_finds_it(shared, key):
    one, other = (SharedCache(LocalCache(MIB), shared, KEY) for _ in range(2))
    await one.put(key, b"figures")
    assert await other.get(key) == b"figures"
    assert (other.own.misses, other.hits) == (1, 1)
    assert await other.get(key) == b"figures"
    assert (other.own.hits, other.hits) == (1, 1)


async def test_the_store_learns_nothing_and_forges_nothing(shared, key):
    client = shared.store._client
    await client.flushdb()
    cache = SharedCache(LocalCache(MIB), shared, KEY)
    await cache.put(key, b"name: Ann")
    await cache.put(f"{key}2", b"name: Bob")
    first, second = [place async for place in client.scan_iter("*")]
    values = await client.mget(first, second)
    assert not any(b"name" in value for value in values)
    assert 0 < await client.ttl(first) <= 86_400
    forged = [(values[1], values[0]), (b"", b"{}"), (b"x" * 100, values[1][:-1])]
    for ours, theirs in forged:
        await client.mset({first: ours, second: theirs})
        later = SharedCache(LocalCache(MIB), shared, KEY)
        assert await later.get(key) is None
        assert await later.get(f"{key}2") is None


async def test_another_secret_finds_nothing(shared, key):
    await SharedCache(LocalCache(MIB), shared, KEY).put(key, b"figures")
    other = SharedCache(LocalCache(MIB), shared, b"o" * 32)
    assert await other.get(key) is None


async def test_without_redis_it_is_a_cache_of_the_process(key):
    with RedisServer() as frozen:
        shared = Shared(RedisStore(frozen.url))
        cache = SharedCache(LocalCache(MIB), shared, KEY)
        await cache.put(key, b"before")
        frozen.freeze()
        await cache.put(f"{key}2", b"meanwhile")
        assert not shared.is_there
        assert await cache.get(key) == b"before"
        assert await cache.get(f"{key}2") == b"meanwhile"
        assert await cache.get(f"{key}3") is None
        await shared.close()
