"""How an operation of the API is written once for both clients.

An operation is a function that describes one call (`Call`) or a procedure of
several (a generator that yields steps and returns the result). On `Client` it gives
the result, on `AsyncClient` an awaitable of it; type checkers see both.
"""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar, overload

from foretell.client.calls import Call
from foretell.client.shapes import JobEvent

if TYPE_CHECKING:
    from foretell.client.asynchronous import AsyncClient
    from foretell.client.synchronous import Client

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Read the events of a job until the stream or the connection ends.

    Attributes:
        last_id: Where an earlier stream ended; the server goes on after it.
        on_event: Gets the id of each event and the event.
        quiet_seconds: A stream that says nothing for so long has ended.
    """

    path: str
    last_id: str | None
    on_event: Callable[[str, JobEvent], None]
    quiet_seconds: float


@dataclass(frozen=True, slots=True)
class Save:
    """Write the body of an answer to a file while it arrives."""

    call: Call[None]
    file: Path


Step: TypeAlias = Call[Any] | Pause | Listen | Save
Procedure: TypeAlias = Generator[Step, Any, T]


class Operation(Generic[P, T]):
    """A method of both clients: see the module's head.

    Attributes:
        steps: The procedure itself, for use in another one by `yield from`.
    """

    def __init__(self, steps: Callable[P, Procedure[T]]) -> None:
        self.steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, client: None, owner: Any) -> "Operation[P, T]": ...
    @overload
    def __get__(self, client: "Client", owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, client: "AsyncClient", owner: Any
    ) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, client: Any, owner: Any) -> Any:
        if client is None:
            return self

        @wraps(self.steps)
        def bound(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.run(self.steps(*args, **kwargs))

        return bound


def call(function: Callable[P, Call[T]]) -> Operation[P, T]:
    """An operation that is one call."""

    @wraps(function)
    def steps(*args: P.args, **kwargs: P.kwargs) -> Procedure[T]:
        result: T = yield function(*args, **kwargs)
        return result

    return Operation(steps)


def several(function: Callable[P, Procedure[T]]) -> Operation[P, T]:
    """An operation that is a procedure."""
    return Operation(function)
