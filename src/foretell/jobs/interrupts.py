"""Breaking into a task that does not come back to the event loop by itself.

A coroutine is cancelled through its loop. Code that keeps the main thread busy (a
plain function, or a coroutine that never awaits) is interrupted by a signal whose
handler raises, but only if the task's own code is what runs at that moment: raised
anywhere else it would tear the event loop or the database driver apart.
"""

import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from sqlalchemy.util import greenlet_spawn

from foretell.jobs.errors import TaskFailed

# SIGUSR1 is the soft time limit of Celery, whose children run our tasks too.
SIGNAL = signal.SIGUSR2


class JobInterrupted(BaseException):
    """Raised inside a task that must stop. Not an `Exception`, so that a task's own
    `except Exception` does not swallow it."""


async def call_task(function: Callable[[], Any], *, is_async: bool) -> Any:
    """Run a task's function on this thread, plain or coroutine.

    A plain one runs in a greenlet, so that it may wait for coroutines of this very
    loop (`JobContext.wait_for`) and yet stays on the main thread, where signals
    reach it.
    """
    try:
        if is_async:
            return await _task_coroutine(function)
        return await greenlet_spawn(_task_function, function)
    except SystemExit:
        # asyncio would let it end the whole worker.
        raise TaskFailed("The task called sys.exit().") from None


async def _task_coroutine(function: Callable[[], Any]) -> Any:
    return await function()


def _task_function(function: Callable[[], Any]) -> Any:
    return function()


_ENTRANCES: frozenset[CodeType] = frozenset(
    {_task_coroutine.__code__, _task_function.__code__}
)


def _is_task_code(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _ENTRANCES:
            return True
        frame = frame.f_back
    return False


def _handle(_number: int, frame: FrameType | None) -> None:
    if _is_task_code(frame):
        raise JobInterrupted


def install() -> None:
    """Make this process's main thread interruptible; call it there."""
    signal.signal(SIGNAL, _handle)


def interrupt_main_thread() -> None:
    """Send the signal, from any thread; does nothing unless a task's code runs."""
    ident = threading.main_thread().ident
    if ident is not None and signal.getsignal(SIGNAL) is _handle:
        signal.pthread_kill(ident, SIGNAL)
