"""Exceptions of tasks as problem documents, and whether another try may help."""

from collections.abc import Iterator
from typing import Any

from foretell.errors import ForetellError, Throttled, Unavailable, problem_members
from foretell.jobs.errors import TaskFailed

_MODULES_SHOWN = 12


def problem_of(error: BaseException) -> dict[str, Any]:
    """Render an exception as the members of an RFC 9457 problem document.

    What is not one of our errors is described by its type alone: its message may
    hold a path, a statement or a value. The job's own log has more.
    """
    if not isinstance(error, ForetellError):
        name = type(error).__name__
        return problem_of(TaskFailed(f"The task raised {name}; the job's log has it."))
    return problem_members(error)


def wait_before_retry(error: BaseException) -> float | None:
    """Shortest wait before another try, or `None` when it cannot help.

    An error of ours says so by its kind; anything else (a library's time-out, a
    bug) may pass by itself.
    """
    if isinstance(error, Unavailable | Throttled):
        return float(error.retry_after_seconds)
    return None if isinstance(error, ForetellError) else 0.0


def frames_of(error: BaseException) -> Iterator[str]:
    """Where it happened, innermost last, as module, function and line: no path of
    the server, and no message of a library that may quote a statement."""
    lines = []
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_globals.get("__name__", "?")
        name = frame.f_code.co_qualname
        lines.append(f"  at {module}.{name}, line {traceback.tb_lineno}")
        traceback = traceback.tb_next
    yield from lines[-_MODULES_SHOWN:]
