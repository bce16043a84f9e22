"""Places are given in the order of asking, and none is ever lost."""

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from foretell.core.gate import Gate
from foretell.core.outages import DatabaseBusy


async def settled() -> None:
    """Let every task run until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_waits_longest_is_next():
    gate, order = Gate(1, wait_seconds=5), []

    async def take(number: int) -> None:
        async with gate:
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(take(number) for number in range(20)))
    assert order == list(range(20))
    assert (gate.taken, gate.waiting) == (0, 0)


async def test_a_newcomer_does_not_overtake_a_woken_waiter():
    gate = Gate(1, wait_seconds=5)
    await gate.acquire()
    waiter = asyncio.create_task(gate.acquire())
    await settled()
    gate.release()
    assert not gate.try_acquire()
    await waiter
    assert gate.taken == 1


async def test_nobody_waits_longer_than_the_time_out():
    gate = Gate(1, wait_seconds=0.01)
    async with gate:
        with pytest.raises(DatabaseBusy) as caught:
            await gate.acquire()
    assert caught.value.headers == {"Retry-After": "1"}
    assert (gate.taken, gate.waiting, gate.refused) == (0, 0, 1)


async def test_a_full_queue_refuses_at_once():
    gate = Gate(1, wait_seconds=60, queue=2)
    await gate.acquire()
    waiters = [asyncio.create_task(gate.acquire()) for _ in range(2)]
    await settled()
    with pytest.raises(DatabaseBusy):
        await gate.acquire()
    for _ in range(3):
        gate.release()
    await asyncio.gather(*waiters)
    assert gate.taken == 0


async def test_a_place_given_to_a_cancelled_waiter_goes_on_to_the_next():
    gate = Gate(1, wait_seconds=60)
    await gate.acquire()
    first, second = (asyncio.create_task(gate.acquire()) for _ in range(2))
    await settled()
    gate.release()
    first.cancel()
    await second
    assert first.cancelled()
    assert (gate.taken, gate.waiting) == (1, 0)


class GateMachine(RuleBasedStateMachine):
    """Takes, gives back, cancels in any order; compares with a plain queue."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.gate = Gate(2, wait_seconds=60, queue=4)
        self.tasks: list[asyncio.Task[None]] = []

    def teardown(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.loop.run_until_complete(settled())
        self.loop.close()

    @property
    def holders(self) -> list[asyncio.Task[None]]:
        return [task for task in self.tasks if task.done()]

    @property
    def waiters(self) -> list[asyncio.Task[None]]:
        return [task for task in self.tasks if not task.done()]

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @rule()
    def ask(self) -> None:
        task = self.loop.create_task(self.gate.acquire())
        waited = len(self.waiters)
        self.run(settled())
        if waited == 4:
            assert isinstance(task.exception(), DatabaseBusy)
        else:
            self.tasks.append(task)

    @precondition(lambda self: self.holders)
    @rule()
    def give_back(self) -> None:
        self.tasks.remove(self.holders[0])
        self.gate.release()
        self.run(settled())

    @precondition(lambda self: self.waiters)
    @rule(which=st.integers(0, 3), gives_back=st.booleans())
    def cancel(self, which: int, gives_back: bool) -> None:
        """Also in the very moment in which the place is handed over."""
        task = self.waiters[which % len(self.waiters)]
        if gives_back:
            self.tasks.remove(self.holders[0])
            self.gate.release()
        task.cancel()
        self.tasks.remove(task)
        self.run(settled())

    @invariant()
    def the_places_go_to_the_first_of_them(self) -> None:
        assert self.holders == self.tasks[:2]
        assert self.gate.taken == len(self.holders)
        assert self.gate.waiting == len(self.waiters)


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = settings(max_examples=60, deadline=None)
