"""Progress of a job: a bar on a terminal, plain lines elsewhere. Goes to stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from foretell.client.shapes import JobEvent

_SECONDS_BETWEEN_LINES = 2.0
OnEvent = Callable[[JobEvent], None]


@contextmanager
def shown(title: str) -> Iterator[OnEvent]:
    """Give a function that takes the job's events and shows how far it is."""
    if sys.stderr.isatty():
        with _bar(title) as on_event:
            yield on_event
    else:
        yield _Lines(title)


@contextmanager
def _bar(title: str) -> Iterator[OnEvent]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, figures="")

        def on_event(event: JobEvent) -> None:
            found = progress_of(event)
            if found is not None:
                done, total = found["done"], found.get("total")
                progress.update(
                    task, completed=done, total=total, figures=figures(found)
                )

        yield on_event


class _Lines:
    """Prints where a job is, at most every few seconds, and each change of state."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._printed_at = 0.0
        self._printed = ""

    def __call__(self, event: JobEvent) -> None:
        state = event["data"].get("state") if isinstance(event["data"], dict) else None
        found = progress_of(event)
        line = " ".join(filter(None, [state, figures(found) if found else ""]))
        is_due = time.monotonic() - self._printed_at >= _SECONDS_BETWEEN_LINES
        if line and line != self._printed and (is_due or event["kind"] == "state"):
            print(f"{self._title}: {line}", file=sys.stderr, flush=True)
            self._printed_at, self._printed = time.monotonic(), line


def progress_of(event: JobEvent) -> dict[str, Any] | None:
    """The progress that an event tells of, if it does."""
    data = event["data"]
    if not isinstance(data, dict):
        return None
    found = data.get("progress", data)
    return found if isinstance(found, dict) and "done" in found else None


def figures(progress: dict[str, Any]) -> str:
    """Progress in words: `1,000 of 5,000 rows, reading`."""
    done, total = progress["done"], progress.get("total")
    text = f"{done:,}" + (f" of {total:,}" if total else "")
    unit, message = progress.get("unit") or "", progress.get("message") or ""
    return f"{text} {unit}".strip() + (f", {message}" if message else "")
