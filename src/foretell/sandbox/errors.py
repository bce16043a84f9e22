"""What can befall a child process, in words for whoever sent the file.

A child opens what a caller sent, so its failures are the caller's (`Invalid`): the
same bytes would fail again. Only a sandbox that is itself gone or incomplete is
`Unavailable`.
"""

import signal
from typing import Any

from foretell.errors import Invalid, Unavailable

_MIB = 1 << 20

_SIGNAL_WORDS = {
    "SIGABRT": "it aborted itself",
    "SIGSEGV": "it touched memory it does not own",
    "SIGBUS": "it touched memory that is not there",
    "SIGILL": "it ran an invalid instruction",
    "SIGFPE": "it failed in arithmetic",
    "SIGSYS": "it made a forbidden system call",
    "SIGKILL": "it was killed from outside, most often because the machine ran out"
    " of memory",
    "SIGTERM": "it was asked to end from outside",
    "SIGXFSZ": "it wrote a file larger than allowed",
}


class ChildFailed(Invalid):
    """The child refused with an error that this process does not know."""

    slug = "child-failed"
    title = "Could not be processed"


class ChildCrashed(Invalid):
    """The child raised something nobody expected, or ended without an answer."""

    slug = "child-crashed"
    title = "Could not be processed"

    def __init__(self, error_type: str, message: str) -> None:
        said = f"{error_type}: {message}" if message else error_type
        super().__init__(
            f"The content could not be processed ({said}).", error_type=error_type
        )


class ChildOutOfMemory(Invalid):
    """The child needed more memory than it was given."""

    slug = "child-out-of-memory"
    title = "Needs too much memory"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"Processing the content needed more than {limit_bytes // _MIB} MiB"
            " of memory and was stopped.",
            limit_bytes=limit_bytes,
        )


class ChildTimedOut(Invalid):
    """The child used up its time, by the clock or of the processor."""

    slug = "child-timed-out"
    title = "Took too long"

    def __init__(self, limit_seconds: float, *, of: str = "") -> None:
        super().__init__(
            f"Processing the content took longer than {limit_seconds:g} s{of}"
            " and was stopped.",
            limit_seconds=limit_seconds,
        )


class ChildKilled(Invalid):
    """The child died by a signal, as native libraries do on hostile input."""

    slug = "child-killed"
    title = "Could not be processed"

    def __init__(self, number: int) -> None:
        name = signal_name(number)
        words = _SIGNAL_WORDS.get(name, "a signal ended it")
        super().__init__(
            f"The process that opened the content died by {name}: {words}.",
            signal=name,
        )


class SandboxLost(Unavailable):
    """The parent of the children is gone; the next call starts another."""

    slug = "sandbox-lost"
    title = "Child processes were lost"

    def __init__(self, detail: str = "The process that starts children ended.") -> None:
        super().__init__(detail)


class SandboxIncomplete(Unavailable):
    """The machine cannot build the whole sandbox, and settings demand it."""

    slug = "sandbox-incomplete"
    title = "Sandbox incomplete"

    def __init__(self, missing: tuple[str, ...], note: str = "") -> None:
        context: dict[str, Any] = {"missing": list(missing)}
        parts = ", ".join(missing)
        super().__init__(
            f"SANDBOX=require, but this machine lacks: {parts}. {note}".rstrip(),
            **context,
        )


def signal_name(number: int) -> str:
    """Name a signal, such as `SIGABRT`; real-time ones become `SIG34`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
