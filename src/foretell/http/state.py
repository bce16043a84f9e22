"""What a running application holds: settings, database, ports.

`http` knows no area, so the parts of areas are kept by their type and asked for
by it: `state(request).port(JobRegistry)`. `app.py` fills it in once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from starlette.requests import Request

from foretell.core.blobs import BlobStore
from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.principal import Authenticator
from foretell.settings import Settings

T = TypeVar("T")


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


@dataclass(slots=True)
class AppState:
    """The parts of one application."""

    settings: Settings
    database: Database
    clock: Clock
    cursors: Cursors
    blobs: BlobStore
    authenticator: Authenticator
    waiter: Waiter | None = None
    checks: dict[str, Check] = field(default_factory=dict)
    ports: dict[type[Any], Any] = field(default_factory=dict)

    def port(self, kind: type[T]) -> T:
        """The part registered for `kind`; a missing one is a fault of `app.py`."""
        return cast("T", self.ports[kind])

    def provide(self, part: object, kind: type[Any] | None = None) -> None:
        """Register `part` under `kind`, its own class when not given."""
        self.ports[kind or type(part)] = part


def state(request: Request) -> AppState:
    """The state of the application that serves `request`."""
    return cast("AppState", request.app.state.foretell)
