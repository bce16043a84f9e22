"""Stop work for a caller who is gone.

A server goes on with a request after the connection closed. For work of milliseconds
that is right; a scan of every row would keep a reader busy for nobody.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from foretell.errors import ForetellError

T = TypeVar("T")


class CallerGone(ForetellError):
    """The caller closed the connection before there was an answer."""

    slug = "caller-gone"
    title = "Nobody waits for the answer"
    status = 499  # not of the RFC, but what access logs of proxies call it

    def __init__(self) -> None:
        super().__init__("The connection was closed before the answer was there.")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the caller goes away.

    Only for requests whose body was read, or that have none.

    Raises:
        CallerGone: They did; nobody will see it but the log.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerGone
        return working.result()
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
            # It has to let go of what it holds before the request ends.
            await asyncio.wait((working,))


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
