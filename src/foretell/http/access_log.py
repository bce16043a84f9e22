"""The access log: one line a request, written in batches.

A line through the logging library costs as much as a whole prediction. Here a
request appends its fields to a list; a thread writes what has come together a few
times a second. The list is bounded: lines above the bound are counted, not kept.
"""

import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TextIO

import orjson

FLUSH_SECONDS = 0.25
MAX_LINES = 50_000

Entry = tuple[float, str, str, str, int, float]
"""Unix time, request id, method, route, status, milliseconds."""


class AccessLog:
    """Collects entries and writes them to `stream` from a thread of its own."""

    def __init__(
        self, log_format: Literal["console", "json"], stream: TextIO | None = None
    ) -> None:
        self._stream = stream
        self._line: Callable[[Entry], str] = (
            _json_line if log_format == "json" else _console_line
        )
        self._entries: list[Entry] = []
        self._dropped = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, entry: Entry) -> None:
        """Note one answered request."""
        if len(self._entries) < MAX_LINES:
            self._entries.append(entry)
        else:
            self._dropped += 1

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._run, name="access-log", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()

    def flush(self) -> None:
        """Write what has come together so far."""
        entries, self._entries = self._entries, []
        dropped, self._dropped = self._dropped, 0
        if not entries and not dropped:
            return
        lines = [self._line(entry) for entry in entries]
        if dropped:
            lines.append(f"access log: {dropped} lines left out\n")
        stream = self._stream or sys.stderr
        stream.write("".join(lines))
        stream.flush()

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush()


def _json_line(entry: Entry) -> str:
    moment, request_id, method, route, status, milliseconds = entry
    fields = {
        "event": "http.request",
        "level": "info",
        "timestamp": _when(moment),
        "request_id": request_id,
        "method": method,
        "route": route,
        "status": status,
        "ms": round(milliseconds, 2),
    }
    return orjson.dumps(fields).decode() + "\n"


def _console_line(entry: Entry) -> str:
    moment, request_id, method, route, status, milliseconds = entry
    return f"{_when(moment)} {status} {method} {route} {milliseconds:.2f} ms {request_id}\n"


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
