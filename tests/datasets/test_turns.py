"""Callers take turns in a bounded queue."""

import asyncio

import pytest

from foretell.datasets.errors import ReadersBusy
from foretell.datasets.turns import Turns


class Askers:
    """Questions that hold their place until they are told to end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.began: list[str] = []
        self._gates: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, caller: str, name: str) -> None:
        """Start a question and let it come to its place or into the queue."""
        self._gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(caller, name))
        await settle()

    async def _run(self, caller: str, name: str) -> None:
        async with self.turns.turn(caller):
            self.began.append(name)
            await self._gates[name].wait()

    async def end(self, name: str) -> None:
        self._gates[name].set()
        await self.tasks[name]
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def some(**settings: float) -> Askers:
    chosen = {"places": 1, "waiting": 4, "patience_seconds": 60.0, **settings}
    return Askers(Turns(int(chosen.pop("places")), **chosen))  # type: ignore[arg-type]


async def test_a_caller_with_one_question_does_not_wait_for_all_of_another():
    askers = some()
    for name in ("a1", "a2", "a3"):
        await askers.ask("a", name)
    await askers.ask("b", "b1")
    for name in ("a1", "a2", "b1", "a3"):
        await askers.end(name)
    assert askers.began == ["a1", "a2", "b1", "a3"]


async def test_a_full_queue_refuses_at_once():
    askers = some(waiting=1)
    await askers.ask("a", "a1")
    await askers.ask("a", "a2")
    with pytest.raises(ReadersBusy):
        async with askers.turns.turn("b"):
            pass
    await askers.end("a1")
    await askers.end("a2")
    async with askers.turns.turn("b"):
        assert askers.turns.waiting == 0


async def test_who_waits_too_long_is_refused_and_leaves_no_trace():
    askers = some(patience_seconds=0.01)
    await askers.ask("a", "a1")
    with pytest.raises(ReadersBusy):
        async with askers.turns.turn("b"):
            pass
    assert askers.turns.waiting == 0
    await askers.end("a1")
    async with askers.turns.turn("b"):
        pass


@pytest.mark.parametrize("is_given", [False, True])
async def test_a_place_of_one_who_left_goes_to_the_next(is_given):
    askers = some()
    for name in ("a1", "a2", "a3"):
        await askers.ask("a", name)
    if is_given:  # in the same moment, before it could wake up
        askers._gates["a1"].set()
        await askers.tasks["a1"]
    askers.tasks["a2"].cancel()
    await settle()
    if not is_given:
        await askers.end("a1")
    await askers.end("a3")
    assert askers.began in (["a1", "a3"], ["a1", "a2", "a3"])
    async with askers.turns.turn("c"):
        assert askers.turns.waiting == 0
