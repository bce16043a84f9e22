"""What a running application holds beside the parts that every process has."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from starlette.requests import Request

from foretell.core.parts import Parts
from foretell.core.principal import Authenticator


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended, for a caller who waited.

    Attributes:
        location: Path of the finished thing, when there is one.
        problem: The problem document of a failed job.
    """

    succeeded: bool
    location: str | None
    problem: dict[str, Any] | None


class Waiter(Protocol):
    """Waits for a job without holding a transaction; `jobs` implements it."""

    async def wait(self, job_id: str, seconds: float) -> Outcome | None:
        """The outcome, or `None` when the time is over."""
        ...


Check = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(slots=True, kw_only=True)
class AppState(Parts):
    """The parts of an API process."""

    authenticator: Authenticator
    waiter: Waiter | None = None
    checks: dict[str, Check] = field(default_factory=dict)


def state(request: Request) -> AppState:
    """The state of the application that serves `request`."""
    return cast("AppState", request.app.state.foretell)
