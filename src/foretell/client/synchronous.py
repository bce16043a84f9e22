"""The client for programs that wait for each answer."""

import time
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


class Client(Api):
    """A server.

    Args:
        url: Its address; else `FORETELL_URL`, else the server of the local settings.
        api_key: Else `FORETELL_API_KEY`, else the key file of the local DATA_DIR.
        transport: How requests travel, for tests.

    Raises:
        ForetellError: Each refusal, as the kind of error that the server had.
        ServerUnreachable: Nothing answers, after retries.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        target = find_target(url, api_key)
        self.url = target.url
        self._http = httpx2.Client(**options_for(target), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def dataset(self, name: str) -> "NamedDataset":
        """A dataset by name, to read as a frame. Asks nothing yet."""
        return NamedDataset(self, name)

    def run(self, procedure: Procedure[T]) -> T:
        """Take the steps of an operation and give its result."""
        advance: Callable[[], Step] = partial(procedure.send, None)
        while True:
            try:
                step = advance()
            except StopIteration as end:
                return cast("T", end.value)
            try:
                advance = partial(procedure.send, self._take(step))
            except ForetellError as error:
                advance = partial(procedure.throw, error)

    def _take(self, step: Step) -> Any:
        match step:
            case Call():
                return self._send(step)
            case Pause(seconds):
                return time.sleep(seconds)
            case Listen():
                return self._listen(step)
            case Save():
                return self._save(step)

    def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            response, reason = None, ""
            try:
                with ExitStack() as opened:
                    response = self._http.request(**call.arguments(opened))
            except httpx2.TransportError as error:
                reason = reason_of(error)
            pause = pause_before_retry(call, attempt, response)
            if pause is not None:
                time.sleep(pause)
            elif response is not None:
                return result_of(call, response)
            else:
                raise ServerUnreachable(self.url, reason)

    def _listen(self, step: Listen) -> None:
        try:
            with self._http.stream(
                "GET", step.path, **stream_options(step)
            ) as response:
                if response.is_success:
                    for event in httpx2.EventSource(response):
                        step.on_event(event.id, event_of(event))
        except httpx2.TransportError:
            return  # the caller asks for the job next, and reports what is wrong

    def _save(self, step: Save) -> None:
        try:
            with ExitStack() as opened, step.file.open("wb") as file:
                arguments = step.call.arguments(opened)
                with self._http.stream(**arguments) as response:
                    if not response.is_success:
                        response.read()
                        raise error_of_response(response)
                    for chunk in response.iter_bytes():
                        file.write(chunk)
        except httpx2.TransportError as error:
            raise ServerUnreachable(self.url, reason_of(error)) from error


class NamedDataset:
    """A dataset of a server, read as a frame of the library you like.

    `select`, `where` and `version` of each method are those of `read_rows`.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    def to_arrow(self, **what: Any) -> Any:
        """A `pyarrow.Table`."""
        return self._client.read_arrow(self.name, **what)

    def to_pandas(self, **what: Any) -> Any:
        """A `pandas.DataFrame`."""
        return frames.pandas_of(self.to_arrow(**what))

    def to_polars(self, **what: Any) -> Any:
        """A `polars.DataFrame`."""
        return frames.polars_of(self.to_arrow(**what))
