"""The bounded log of calls, and what empties it.

On the path of an answer a call is counted, and references to its body and its answer
are kept where there is room: under a microsecond, nothing is copied or parsed. About
once a second a thread counts what the kept ones hold, in pieces short enough that the
event loop does not feel it, and the counts of the day are stored. So a process that is
killed loses the calls of the last second; one that is asked to stop loses none.
"""

import asyncio
import contextlib
import time
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.ids import new_id
from foretell.core.logs import get_logger
from foretell.core.outages import DatabaseUnavailable
from foretell.errors import ForetellError
from foretell.models.baselines import Baseline
from foretell.models.serving import ServedVersion
from foretell.predictions.monitoring.counting import (
    LATENCY_ENDS,
    Counted,
    add,
    count_rows,
    count_values,
    empty,
)
from foretell.predictions.monitoring.samples import (
    HEAD_BYTES,
    predictions_in,
    rows_in,
)
from foretell.predictions.monitoring.store import MonitoringStore
from foretell.predictions.raw_records import RawRecords

log = get_logger("foretell.predictions")

INTERVAL_SECONDS = 1.0
# What is kept of one version between two times, so that counting takes a process a
# percent of a core at most: about 600 calls of one row, and the others go unseen.
ROOM_BYTES = 1024**2
_ENTRY_BYTES = 1000
_CELLS_AT_ONCE = 1_000
_CELLS_OF_A_TIME = 100_000

Entry = tuple[bytes, bytes]
"""A body and its answer in JSON; each empty where it is something else."""


class Recorder:
    """Notes the calls of one version; of one event loop.

    Attributes:
        entries: Kept since the last time.
    """

    __slots__ = (
        "_latencies",
        "_log",
        "_noted",
        "_room",
        "baseline",
        "entries",
        "names",
        "raw",
        "version_id",
    )

    def __init__(
        self,
        prediction_log: "PredictionLog",
        facts: ServedVersion,
        raw: RawRecords | None,
    ) -> None:
        self._log = prediction_log
        self.version_id = facts.id
        self.baseline = facts.baseline
        self.names = facts.signature.names
        self.raw = raw
        self.entries: list[Entry] = []
        self._noted: Counted | None = None
        self._latencies: list[int] = []
        self._room = 0

    def answered(self, body: bytes, answer: bytes, rows: int, seconds: float) -> None:
        """Note a call that was answered.

        Args:
            body, answer: In JSON; empty where they are something else, which is not
                opened here.
        """
        noted = self._noted or self._begin()
        noted.calls += 1
        noted.rows += rows
        noted.seconds += seconds
        self._latencies[bisect_left(LATENCY_ENDS, seconds)] += 1
        # A slice of the whole is no copy, and one of a long body is small beside the
        # time that its rows took.
        entry = (body[:HEAD_BYTES], answer[:HEAD_BYTES])
        size = len(entry[0]) + len(entry[1]) + _ENTRY_BYTES
        if self._room >= size and self._log.take_room(size):
            self._room -= size
            self.entries.append(entry)

    def refused(self, slug: str) -> None:
        """Note a call that was refused."""
        noted = self._noted or self._begin()
        noted.calls += 1
        noted.errors[slug] = noted.errors.get(slug, 0) + 1

    def take(self) -> "tuple[Counted, list[Entry]]":
        """What was noted since the last time."""
        noted, entries = self._noted or Counted(errors={}), self.entries
        noted.latencies = self._latencies
        self._noted, self.entries = None, []
        return noted, entries

    def _begin(self) -> Counted:
        self._noted = Counted(errors={})
        self._latencies = [0] * (len(LATENCY_ENDS) + 1)
        self._room = ROOM_BYTES
        self._log.expect(self)
        return self._noted


@dataclass(slots=True)
class Segment:
    """What this process has counted of one version on one day.

    Attributes:
        is_stored: Whether the database has all of it.
    """

    id: str
    version_id: str
    day: date
    counted: Counted
    is_stored: bool = False


class PredictionLog:
    """Counts the calls of this process; of one event loop.

    Args:
        limit_bytes: Most that kept bodies and answers may take together; 0 keeps none,
            and only calls, errors and latency are counted.

    Attributes:
        held_bytes: What they take now.
    """

    def __init__(self, database: Database, clock: Clock, limit_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit_bytes
        self.held_bytes = 0
        self._expected: list[Recorder] = []
        self._segments: dict[tuple[str, date], Segment] = {}
        self._flushing = asyncio.Lock()
        self._flushes: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def recorder(self, facts: ServedVersion, raw: RawRecords | None) -> Recorder:
        """What notes the calls of one version.

        Args:
            raw: Makes features of the bodies, where the version takes raw records.
        """
        return Recorder(self, facts, raw)

    def take_room(self, size: int) -> bool:
        """Have so many bytes held, if there is room for them."""
        held = self.held_bytes + size
        if held > self._limit:
            return False
        self.held_bytes = held
        return True

    def expect(self, recorder: Recorder) -> None:
        """Empty this recorder next time: it has noted something."""
        self._expected.append(recorder)

    async def flush(self) -> None:
        """Count and store all calls that were noted before.

        Raises:
            DatabaseUnavailable: They are counted, and stored the next time.
        """
        # A caller who goes away must not take along what was counted so far.
        task = asyncio.create_task(self._flush())
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)
        await asyncio.shield(task)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Flush beside the block, and a last time at its end."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._stopping.set()
            await task
            await self._try_to_flush()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), INTERVAL_SECONDS)
            await self._try_to_flush()

    async def _try_to_flush(self) -> None:
        try:
            await self.flush()
        except DatabaseUnavailable as error:
            log.warning("predictions.counts_not_stored", reason=error.detail)
        except Exception:
            # What it was about to count is lost; what comes later is not.
            log.exception("predictions.counting_failed")

    async def _flush(self) -> None:
        async with self._flushing:
            await self._count()
            await self._store()

    async def _count(self) -> None:
        day = self._clock.now().date()
        recorders, self._expected = self._expected, []
        for recorder in recorders:
            noted, entries = recorder.take()
            counted = self._segment(recorder, day).counted
            add(counted, noted)
            if entries:
                try:
                    await asyncio.to_thread(_count_into, counted, recorder, entries)
                finally:
                    self.held_bytes -= sum(map(_size, entries))

    def _segment(self, recorder: Recorder, day: date) -> Segment:
        key = (recorder.version_id, day)
        found = self._segments.get(key)
        if found is None:
            counted = empty(recorder.baseline)
            found = Segment(new_id(), recorder.version_id, day, counted)
            self._segments[key] = found
        found.is_stored = False
        return found

    async def _store(self) -> None:
        today = self._clock.now().date()
        waiting = [one for one in self._segments.values() if not one.is_stored]
        # Rows of days long past are added up by whoever keeps house; what comes after
        # that would be counted twice.
        late = [one for one in waiting if one.day < today - timedelta(days=1)]
        if late:
            lost = sum(one.counted.calls for one in late)
            log.error("predictions.counts_lost", calls=lost)
        fitting = [one for one in waiting if one not in late]
        if fitting:
            async with self._database.writing() as session:
                store = MonitoringStore(session)
                await store.put(fitting, now=self._clock.now())
            for one in fitting:
                one.is_stored = True
        for key, one in list(self._segments.items()):
            if one in late or (one.is_stored and one.day < today):
                del self._segments[key]


def _size(entry: Entry) -> int:
    return len(entry[0]) + len(entry[1]) + _ENTRY_BYTES


def _count_into(counted: Counted, recorder: Recorder, entries: list[Entry]) -> None:
    add(counted, count_entries(recorder, entries))


def count_entries(recorder: Recorder, entries: list[Entry]) -> Counted:
    """The histograms of some calls of a version; runs in a thread."""
    baseline = recorder.baseline
    found = empty(baseline)
    rows: list[Any] = []
    width = max(len(baseline.inputs), 1)
    cells = 0
    for body, answer in entries:
        rows += _rows(recorder, body)
        _count_predictions(baseline, answer, found)
        if len(rows) * width >= _CELLS_AT_ONCE:
            cells += len(rows) * width
            count_rows(baseline.inputs, rows, found.inputs)
            rows = []
            # Lets the event loop run: it would wait for the interpreter else, five
            # milliseconds at a time.
            time.sleep(0)
        if cells > _CELLS_OF_A_TIME:
            break
    count_rows(baseline.inputs, rows, found.inputs)
    return found


def _rows(recorder: Recorder, body: bytes) -> list[Any]:
    if not body or not recorder.baseline.inputs:
        return []
    try:
        if recorder.raw is not None:
            body = recorder.raw.translated(body)
        return rows_in(body, recorder.names)
    except (ForetellError, ValueError, TypeError, KeyError):
        return []  # it was answered, so it is only cut


def _count_predictions(baseline: Baseline, answer: bytes, found: Counted) -> None:
    if not baseline.outputs or not answer:
        return
    try:
        values = predictions_in(answer)
    except (ValueError, TypeError, KeyError):
        return  # no answer of ours; it was noted all the same
    if len(baseline.outputs) == 1 and baseline.outputs[0].name == "prediction":
        count_values(baseline.outputs[0], values, found.outputs[0])
        return
    for index, bins in enumerate(baseline.outputs):
        count_values(bins, [value[index] for value in values], found.outputs[index])
