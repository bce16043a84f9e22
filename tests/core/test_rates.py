"""Counters of requests: one suite for those of a process and those over Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.core.rates import LocalRates, Rate, Rates
from foretell.core.shared import Shared, within
from foretell.core.shared_rates import SharedRates
from foretell.plugins.shared_stores.redis import RedisStore
from tests.brokers import RedisServer

# Slow enough to let nothing in by itself while a test runs.
SLOW = Rate(5, 3_600)


class Moving:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(params=["process", "redis"])
async def rates(
    request: pytest.FixtureRequest, redis: RedisServer
) -> AsyncIterator[Rates]:
    if request.param == "process":
        yield LocalRates(SLOW)
        return
    shared = Shared(RedisStore(redis.url))
    yield SharedRates(SLOW, shared, patience_seconds=5)
    await shared.close()


async def test_as_many_as_the_rate_names_are_let_in_at_once(rates, unique_key):
    found = [await rates.take(unique_key) for _ in range(7)]
    assert [v.allowed for v in found] == [True] * 5 + [False] * 2
    assert [v.remaining for v in found] == [4, 3, 2, 1, 0, 0, 0]


async def test_a_refusal_says_when_the_next_one_is_let_in(rates, unique_key):
    found = [await rates.take(unique_key) for _ in range(6)]
    last, refused = found[4], found[5]
    assert 700 < last.wait_seconds <= 720
    assert 700 < refused.wait_seconds <= 720
    assert 3_580 < last.reset_seconds <= 3_600
    assert 3_580 < refused.reset_seconds <= 3_600
    assert [v.wait_seconds for v in found[:4]] == [0] * 4
    assert found[0].reset_seconds == pytest.approx(720, abs=1)


async def test_what_is_refused_is_known_without_asking(rates, unique_key):
    assert rates.refusal(unique_key) is None
    for _ in range(6):
        await rates.take(unique_key)
    known = rates.refusal(unique_key)
    assert known is not None
    assert not known.allowed
    assert rates.refusal(f"{unique_key}-other") is None


async def test_keys_are_counted_apart(rates, unique_key):
    for _ in range(6):
        await rates.take(unique_key)
    assert (await rates.take(f"{unique_key}-other")).allowed


async def test_requests_at_the_same_moment_are_counted_one_by_one(rates, unique_key):
    found = await asyncio.gather(*(rates.take(unique_key) for _ in range(50)))
    assert sum(v.allowed for v in found) == 5


@given(
    count=st.integers(1, 40),
    seconds=st.sampled_from([1, 60, 3_600, 86_400]),
    pauses=st.lists(st.floats(0, 3), max_size=120),
)
def test_no_stretch_of_time_lets_in_more_than_burst_and_rate(count, seconds, pauses):
    """Pauses are in intervals of the rate."""
    clock, rate = Moving(), Rate(count, seconds)
    rates, taken = LocalRates(rate, now=clock), []
    for pause in pauses:
        clock.seconds += pause * rate.interval
        verdict = rates.take_now("k")
        if verdict.allowed:
            taken.append(clock.seconds)
        else:
            assert verdict.wait_seconds <= rate.interval * 1.001
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            passed = (taken[last] - taken[first]) / rate.interval
            assert last - first + 1 <= count + passed + 0.01


@given(count=st.integers(1, 1_000), seconds=st.sampled_from([1, 60, 3_600, 86_400]))
def test_whoever_waits_as_told_is_let_in(count, seconds):
    clock = Moving()
    rates = LocalRates(Rate(count, seconds), now=clock)
    for _ in range(count):
        assert rates.take_now("k").allowed
    refused = rates.take_now("k")
    clock.seconds += refused.wait_seconds
    assert rates.take_now("k").allowed


def test_the_key_used_longest_ago_makes_room():
    rates = LocalRates(SLOW, max_keys=2)
    for key in ("a", "b", "a", "c"):
        rates.take_now(key)
    assert rates.take_now("a").remaining == 2
    assert rates.take_now("b").remaining == 4


async def test_two_processes_share_one_quota(redis, unique_key):
    stores = [Shared(RedisStore(redis.url)) for _ in range(2)]
    both = [SharedRates(SLOW, shared, patience_seconds=5) for shared in stores]
    found = [await both[turn % 2].take(unique_key) for turn in range(8)]
    assert [v.allowed for v in found] == [True] * 5 + [False] * 3
    for shared in stores:
        await shared.close()


async def test_rates_of_another_width_do_not_meet(redis, unique_key):
    shared = Shared(RedisStore(redis.url))
    for rate in (Rate(1, 60), Rate(1, 3_600)):
        rates = SharedRates(rate, shared, patience_seconds=5)
        assert (await rates.take(unique_key)).allowed
    await shared.close()


async def test_a_redis_that_lost_its_scripts_and_keys_goes_on(redis, unique_key):
    shared = Shared(RedisStore(redis.url))
    rates = SharedRates(SLOW, shared, patience_seconds=5)
    await rates.take(unique_key)
    store = shared.store
    assert isinstance(store, RedisStore)
    await store._client.script_flush()
    assert (await rates.take(unique_key)).remaining == 3
    assert rates.alone == 0
    await shared.close()


async def test_a_frozen_redis_costs_one_moment_and_then_nothing(unique_key):
    with RedisServer() as frozen:
        shared = Shared(RedisStore(frozen.url))
        rates = SharedRates(SLOW, shared, patience_seconds=0.2)
        await rates.take(unique_key)
        frozen.freeze()
        started = time.monotonic()
        met = await asyncio.gather(*(rates.take(unique_key) for _ in range(20)))
        first = time.monotonic() - started
        assert sum(v.allowed for v in met) == 5  # this process alone, anew
        started = time.monotonic()
        for _ in range(100):
            await rates.take(f"{unique_key}-other")
        assert time.monotonic() - started < first < 1
        assert shared.outages == 1
        # What was refused once is known without counting.
        assert rates.alone == 25
        frozen.thaw()
        async with asyncio.timeout(30):
            while not shared.is_there:
                await asyncio.sleep(0.01)
        assert (await rates.take(unique_key)).remaining <= 3
        assert rates.alone == 25
        frozen.freeze()
        started = time.monotonic()
        await shared.close()
        assert time.monotonic() - started < 3


async def test_a_redis_that_is_not_there_refuses_nobody(unique_key):
    shared = Shared(RedisStore("redis://127.0.0.1:1/0"))
    rates = SharedRates(SLOW, shared)
    assert (await rates.take(unique_key)).allowed
    assert not shared.is_there
    await shared.close()


async def test_a_redis_without_room_is_there_and_refuses_nobody(unique_key, caplog):
    with RedisServer() as full:
        shared = Shared(RedisStore(full.url))
        assert isinstance(shared.store, RedisStore)
        await shared.store._client.config_set("maxmemory", 1)
        rates = SharedRates(SLOW, shared, patience_seconds=5)
        found = [await rates.take(f"{unique_key}{number}") for number in range(9)]
        assert all(verdict.allowed for verdict in found)
        assert rates.alone == 9
        assert shared.is_there
        assert caplog.text.count("refuses (OutOfMemoryError)") == 1
        await shared.close()


async def test_many_questions_at_once_wait_for_a_connection(redis):
    shared = Shared(RedisStore(redis.url))
    found = await asyncio.gather(
        *(shared.ask(shared.store.get(f"none{n}"), 10) for n in range(100))
    )
    assert found == [None] * 100
    assert shared.outages == 0
    await shared.close()


async def test_a_redis_behind_a_socket_file_takes_part(unique_key, tmp_path):
    path = tmp_path / "redis.sock"
    with RedisServer("--unixsocket", str(path)):
        shared = Shared(RedisStore(f"unix://{path}?db=1"))
        rates = SharedRates(SLOW, shared, patience_seconds=5)
        assert (await rates.take(unique_key)).remaining == 4
        assert rates.alone == 0
        await shared.close()


@pytest.mark.parametrize("password", ["", "wrong"])
async def test_a_redis_that_knows_us_not_is_away(unique_key, password):
    with RedisServer("--requirepass", "right") as closed:
        url = closed.url.replace("//", f"//:{password}@" if password else "//")
        shared = Shared(RedisStore(url))
        assert (await SharedRates(SLOW, shared).take(unique_key)).allowed
        await shared.close()
        shared = Shared(RedisStore(closed.url.replace("//", "//:right@")))
        rates = SharedRates(SLOW, shared, patience_seconds=5)
        assert (await rates.take(unique_key)).allowed
        assert rates.alone == 0
        await shared.close()


async def test_an_answer_that_came_while_the_loop_was_busy_counts():
    async def answer() -> str:
        await asyncio.sleep(0.01)
        return "there"

    async def block() -> None:
        await asyncio.sleep(0)
        time.sleep(0.1)

    busy = asyncio.create_task(block())
    assert await within(answer(), 0.05) == "there"
    await busy


async def test_who_asks_too_long_a_question_is_told_in_time():
    ended = asyncio.Event()

    async def answer() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        await within(answer(), 0.01)
    await asyncio.wait_for(ended.wait(), 5)


@pytest.fixture
def unique_key(request: pytest.FixtureRequest) -> str:
    return str(request.node.nodeid)
