"""Shadows: versions that score the calls others answer, and whose answers nobody gets.

They run when the answer is on its way, a bounded number of calls and bytes at a time. A shadow that
cannot keep up leaves calls out and says how many; it never makes a caller wait.
"""

import asyncio
from typing import Any

import orjson

from foretell.errors import ForetellError
from foretell.predictions.answering import count_differences
from foretell.predictions.forms import Form
from foretell.predictions.metrics import PredictionMetrics
from foretell.predictions.snapshot import Serving, Snapshot
from foretell.predictions.versions import INLINE_BYTES

MAX_WAITING = 64
# A body may have 32 MiB, and is held until it is scored.
MAX_WAITING_BYTES = 64 * 1024**2


class Shadows:
    """Scores calls again; a value for one event loop."""

    def __init__(self, serving: Serving, metrics: PredictionMetrics) -> None:
        self._serving = serving
        self._metrics = metrics
        self._scoring: set[asyncio.Task[None]] = set()
        self._held_bytes = 0

    def follow(
        self,
        snapshot: Snapshot,
        answered_by: int,
        answer: bytes,
        body: bytes,
        form: Form,
    ) -> None:
        """Let the shadows of a model score a call that another version answered."""
        traffic = snapshot.model.traffic
        size = len(body) + len(answer)
        shadows = () if traffic is None else traffic.shadows
        for number in shadows:
            if number == answered_by:
                continue
            if not self._has_room(size):
                self._metrics.missed(snapshot.model.name, number, "too many")
                continue
            self._held_bytes += size
            task = asyncio.create_task(
                self._score(snapshot, number, answer, body, form)
            )
            self._scoring.add(task)
            task.add_done_callback(lambda done: self._let_go(done, size))

    def _has_room(self, size: int) -> bool:
        if len(self._scoring) >= MAX_WAITING:
            return False
        return self._held_bytes + size <= MAX_WAITING_BYTES

    def _let_go(self, task: asyncio.Task[None], size: int) -> None:
        self._scoring.discard(task)
        self._held_bytes -= size

    async def close(self) -> None:
        """Leave out what was not scored yet."""
        for task in self._scoring:
            task.cancel()
        if self._scoring:
            await asyncio.wait(self._scoring)

    async def _score(
        self,
        snapshot: Snapshot,
        number: int,
        answer: bytes,
        body: bytes,
        form: Form,
    ) -> None:
        model = snapshot.model.name
        try:
            version = await self._serving.version(snapshot, number)
            found, rows = await version.score(body, form)
        except ForetellError as error:
            self._metrics.missed(model, number, error.slug)
            return
        if len(answer) + len(found) > INLINE_BYTES:
            differences = await asyncio.to_thread(_differences, answer, found, form)
        else:
            differences = _differences(answer, found, form)
        self._metrics.compared(model, number, rows, differences)


def _differences(answer: bytes, found: bytes, form: Form) -> int:
    """Rows with another prediction."""
    if form.output is not None:
        return count_differences(answer, found, form.output)
    pairs = zip(_predictions(answer), _predictions(found), strict=True)
    return sum(one["prediction"] != other["prediction"] for one, other in pairs)


def _predictions(answer: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(answer)["predictions"]
    return found
