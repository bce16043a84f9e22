"""Work for a caller who is gone is stopped; all other work is not."""

import asyncio

import pytest
from starlette.requests import Request

from foretell.http.leaving import CallerGone, unless_gone


class Line:
    """A connection on which nothing comes until its caller hangs up."""

    def __init__(self) -> None:
        self._hung_up = asyncio.Event()
        self._is_first = True

    def hang_up(self) -> None:
        self._hung_up.set()

    async def receive(self):
        if self._is_first:
            self._is_first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._hung_up.wait()
        return {"type": "http.disconnect"}

    @property
    def request(self) -> Request:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        return Request(scope, self.receive)


async def test_the_work_of_a_caller_who_stays_is_done():
    async def work():
        await asyncio.sleep(0)
        return 7

    assert await unless_gone(Line().request, work()) == 7


async def test_what_the_work_raises_is_raised():
    async def work():
        raise KeyError("no")

    with pytest.raises(KeyError):
        await unless_gone(Line().request, work())


async def test_the_work_of_a_caller_who_leaves_is_stopped_before_the_request_ends():
    line, let_go = Line(), asyncio.Event()

    async def work():
        line.hang_up()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            let_go.set()

    with pytest.raises(CallerGone):
        await unless_gone(line.request, work())
    assert let_go.is_set()


async def test_a_request_that_is_cancelled_stops_its_work():
    began, let_go = asyncio.Event(), asyncio.Event()

    async def work():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()

    asking = asyncio.create_task(unless_gone(Line().request, work()))
    await began.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert let_go.is_set()
