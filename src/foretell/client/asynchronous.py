"""The client for asynchronous programs: the same operations, awaited."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import httpx2

from foretell.client import frames
from foretell.client.api import Api
from foretell.client.calls import Call, pause_before_retry
from foretell.client.connection import (
    event_of,
    options_for,
    reason_of,
    result_of,
    stream_options,
)
from foretell.client.credentials import find_target
from foretell.client.errors import ServerUnreachable
from foretell.client.operations import Listen, Pause, Procedure, Save, Step
from foretell.client.problems import error_of_response
from foretell.errors import ForetellError

T = TypeVar("T")


class AsyncClient(Api):
    """A server; arguments and errors are those of `Client`."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        target = find_target(url, api_key)
        self.url = target.url
        self._http = httpx2.AsyncClient(**options_for(target), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def dataset(self, name: str) -> "NamedAsyncDataset":
        """A dataset by name, to read as a frame. Asks nothing yet."""
        return NamedAsyncDataset(self, name)

    async def run(self, procedure: Procedure[T]) -> T:
        """Take the steps of an operation and give its result."""
        advance: Callable[[], Step] = partial(procedure.send, None)
        while True:
            try:
                step = advance()
            except StopIteration as end:
                return cast("T", end.value)
            try:
                advance = partial(procedure.send, await self._take(step))
            except ForetellError as error:
                advance = partial(procedure.throw, error)

    async def _take(self, step: Step) -> Any:
        match step:
            case Call():
                return await self._send(step)
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Listen():
                return await self._listen(step)
            case Save():
                return await self._save(step)

    async def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            response, reason = None, ""
            try:
                with ExitStack() as opened:
                    response = await self._http.request(**call.arguments(opened))
            except httpx2.TransportError as error:
                reason = reason_of(error)
            pause = pause_before_retry(call, attempt, response)
            if pause is not None:
                await asyncio.sleep(pause)
            elif response is not None:
                return result_of(call, response)
            else:
                raise ServerUnreachable(self.url, reason)

    async def _listen(self, step: Listen) -> None:
        try:
            async with self._http.stream(
                "GET", step.path, **stream_options(step)
            ) as response:
                if response.is_success:
                    async for event in httpx2.EventSource(response):
                        step.on_event(event.id, event_of(event))
        except httpx2.TransportError:
            return  # the caller asks for the job next, and reports what is wrong

    async def _save(self, step: Save) -> None:
        try:
            with ExitStack() as opened:
                file = opened.enter_context(
                    await asyncio.to_thread(step.file.open, "wb")
                )
                arguments = step.call.arguments(opened)
                async with self._http.stream(**arguments) as response:
                    if not response.is_success:
                        await response.aread()
                        raise error_of_response(response)
                    async for chunk in response.aiter_bytes():
                        await asyncio.to_thread(file.write, chunk)
        except httpx2.TransportError as error:
            raise ServerUnreachable(self.url, reason_of(error)) from error


class NamedAsyncDataset:
    """A dataset of a server, read as a frame; see `NamedDataset`."""

    def __init__(self, client: AsyncClient, name: str) -> None:
        self._client = client
        self.name = name

    async def to_arrow(self, **what: Any) -> Any:
        """A `pyarrow.Table`."""
        return await self._client.read_arrow(self.name, **what)

    async def to_pandas(self, **what: Any) -> Any:
        """A `pandas.DataFrame`."""
        return frames.pandas_of(await self.to_arrow(**what))

    async def to_polars(self, **what: Any) -> Any:
        """A `polars.DataFrame`."""
        return frames.polars_of(await self.to_arrow(**what))
