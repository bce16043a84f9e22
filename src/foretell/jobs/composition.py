"""What a worker process is made of; the composition root (`foretell.app`) fills it.

A worker starts with the dotted name of a function that returns a `Composition`, so
that this package never imports what lies above it. The function reads the settings
from the environment the supervisor passes on.
"""

import importlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from foretell.core.clock import Clock, SystemClock
from foretell.core.db import Database
from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.jobs.ports import Executor, OpenEar
from foretell.jobs.registry import TaskRegistry


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long, in seconds.

    Attributes:
        lease: How long a claim holds without a sign of life.
        beat: Between extensions of the lease.
        pulse: Between looks for a cancellation.
        write: Between writes of progress.
        poll: Between looks for work when nothing rings.
        fed_poll: The same where an executor brings ids: a look costs every worker's
            machine a statement, and only what a broker lost is found by it.
        nudge: From asking a task to stop until a signal breaks into its code.
        grace: From asking until its process is ended.
        drain: For the running job when the worker is told to stop.
        patience: The supervisor's extra patience over `grace`, for code that
            keeps even the worker's own watch from running.
    """

    lease: float = 30.0
    beat: float = 5.0
    pulse: float = 0.15
    write: float = 0.25
    poll: float = 1.0
    fed_poll: float = 5.0
    nudge: float = 0.05
    grace: float = 2.0
    drain: float = 5.0
    patience: float = 0.5


async def no_owner(_database: Database, _owner_id: str) -> Principal | None:
    return None


@dataclass(frozen=True, slots=True)
class Composition:
    """Everything a worker needs from above.

    Attributes:
        make_database: Makes one; a worker needs two, since the thread that watches
            a job has an event loop of its own.
        principal_of: The rights of a job's owner now, `None` if they may not act.
        services: Opens the process's parts, once; tasks get them as `job.services`.
        executor: What wakes the worker; `None` for the embedded one, which is rung at
            the doorbell.
        ears: Hear further bells, beside those of the host and of the database.
    """

    registry: TaskRegistry
    make_database: Callable[[], Database]
    data_dir: Path
    services: Callable[[Database], AbstractAsyncContextManager[Parts]]
    principal_of: Callable[[Database, str], Awaitable[Principal | None]] = no_owner
    clock: Clock = field(default_factory=SystemClock)
    timing: Timing = Timing()
    queues: tuple[str, ...] = ()
    executor: Executor | None = None
    ears: tuple[OpenEar, ...] = ()


def load_composition(dotted: str) -> Composition:
    """Call the function named `package.module:function`."""
    module, _, name = dotted.partition(":")
    made = getattr(importlib.import_module(module), name)()
    if not isinstance(made, Composition):
        raise TypeError(f"{dotted} does not return a Composition")
    return made
