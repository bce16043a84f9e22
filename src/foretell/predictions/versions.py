"""One loaded model version, and where its calls run.

Data-only engines (a proven twin, an ONNX graph, plain numbers) run in this process:
on the event loop when a call takes less than a millisecond, else in a small pool of
threads, since a hop to a thread costs 30 to 100 µs, many times a small model's own
time. Everything else, and every body too large to be parsed on the event loop, goes
to the model host.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from foretell.core.blobs import BlobStore
from foretell.errors import ForetellError
from foretell.features.definition import Functions
from foretell.models.loading import open_predictor
from foretell.models.ports import Predictor
from foretell.models.serving import ServedVersion
from foretell.models.signature import InputField
from foretell.predictions.answering import Answerer
from foretell.predictions.errors import ModelNotLoaded, PredictionTimedOut
from foretell.predictions.forms import PLAIN, Form
from foretell.predictions.host import CALL_SECONDS, ModelHosts
from foretell.predictions.metrics import PredictionMetrics, VersionMetrics
from foretell.predictions.monitoring.recording import PredictionLog, Recorder
from foretell.predictions.raw_records import RawRecords

INLINE_MICROSECONDS = 1_000.0
INLINE_ROWS = 256
# Parsing holds the interpreter whatever thread it is in; 256 KiB take about 1 ms.
INLINE_BYTES = 256 * 1024
HOSTED_BYTES = 2 * 1024 * 1024
THREADS = 2
_WARM_CALLS = 5
_FILLERS: dict[str, Any] = {"boolean": False, "integer": 0, "float": 0.0, "text": ""}

Answered = tuple[bytes, int]


class LoadedVersion:
    """A version that is ready to answer.

    Attributes:
        answerer: Set when this process may run the version.
        inline_rows: Most rows of a call on the event loop; 0: never there.
        is_used: Whether it answered since the last look; the oldest make room.
        raw: Set when it is bound to a feature set: makes features of raw records.
        recorder: Notes its calls for monitoring.
    """

    __slots__ = (
        "_hosts",
        "_pool",
        "answerer",
        "facts",
        "inline_rows",
        "is_used",
        "metrics",
        "raw",
        "recorder",
    )

    def __init__(
        self,
        facts: ServedVersion,
        hosts: ModelHosts,
        pool: ThreadPoolExecutor,
        metrics: VersionMetrics,
        recorder: Recorder,
        answerer: Answerer | None = None,
        inline_rows: int = 0,
        raw: RawRecords | None = None,
    ) -> None:
        self.facts = facts
        self.answerer = answerer
        self.inline_rows = inline_rows
        self.metrics = metrics
        self.recorder = recorder
        self.is_used = True
        self.raw = raw
        self._hosts = hosts
        self._pool = pool

    async def answer(self, body: bytes, form: Form = PLAIN) -> bytes:
        """The answer to a body; its size and kind decide where it is made.

        Raises:
            RowsInvalid: The rows do not fit the signature.
            ModelFailed: The model raised an error on them.
            Unavailable: The version cannot answer now.
        """
        started = time.perf_counter()
        try:
            answer, rows = await self.score(body, form)
        except ForetellError as error:
            self.recorder.refused(error.slug)
            raise
        seconds = time.perf_counter() - started
        metrics = self.metrics
        metrics.calls.inc()
        metrics.rows.inc(rows)
        metrics.seconds.observe(seconds)
        self.recorder.answered(
            body if form.kind == "json" else b"",
            answer if form.output is None else b"",
            rows,
            seconds,
        )
        return answer

    async def score(self, body: bytes, form: Form) -> Answered:
        """The answer to a body and its number of rows, not counted as a call."""
        self.is_used = True
        if self.raw is not None:
            body, form = await self._with_features(self.raw, body, form)
        answerer = self.answerer
        if answerer is None or form.kind == "arrow" or len(body) > HOSTED_BYTES:
            return await self._hosts.answer(self.facts, body, form)
        return await self._answer_here(answerer, body, form)

    async def _with_features(
        self, raw: RawRecords, body: bytes, form: Form
    ) -> tuple[bytes, Form]:
        """The body with features in the place of raw records."""
        if form.kind == "arrow":
            return body, form  # opened in the host alone, which knows the features
        if form.kind == "npy":
            found = await asyncio.to_thread(raw.of_array, body)
            return found, msgspec.structs.replace(form, kind="json")
        if len(body) > INLINE_BYTES:
            return await asyncio.to_thread(raw.translated, body), form
        return raw.translated(body), form

    async def _answer_here(
        self, answerer: Answerer, body: bytes, form: Form
    ) -> Answered:
        def from_body() -> Answered:
            rows = answerer.read(body, form)
            return answerer.answer(rows, form), len(rows)

        if len(body) > INLINE_BYTES:
            return await self._threaded(from_body)
        rows = answerer.read(body, form)
        if len(rows) <= self.inline_rows:
            return answerer.answer(rows, form), len(rows)
        return await self._threaded(lambda: (answerer.answer(rows, form), len(rows)))

    async def _threaded(self, work: Callable[[], Answered]) -> Answered:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await loop.run_in_executor(self._pool, work)
        except TimeoutError as error:
            raise PredictionTimedOut(CALL_SECONDS) from error


class VersionLoader:
    """Opens versions: reads, checks the hash, warms up, measures."""

    def __init__(
        self,
        blobs: BlobStore,
        hosts: ModelHosts,
        metrics: PredictionMetrics,
        functions: Functions,
        log: PredictionLog,
    ) -> None:
        self._blobs = blobs
        self._hosts = hosts
        self._metrics = metrics
        self._functions = functions
        self._log = log
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="predict")

    async def load(self, facts: ServedVersion) -> LoadedVersion:
        """Open a version.

        Raises:
            ModelNotLoaded: It cannot be opened (any more).
        """
        metrics = self._metrics.of(facts.model, facts.number)
        raw = None
        if facts.features is not None:
            raw = RawRecords(facts.features, facts.signature, self._functions)
        recorder = self._log.recorder(facts, raw)
        if facts.is_hosted:
            await self._hosts.open(facts)
            return LoadedVersion(
                facts, self._hosts, self._pool, metrics, recorder, raw=raw
            )
        async with self._blobs.local(facts.file[0]) as path:
            predictor, one_us = await asyncio.to_thread(_open, facts, path)
        answerer = Answerer(facts.model, facts.number, facts.signature, predictor)
        return LoadedVersion(
            facts,
            self._hosts,
            self._pool,
            metrics,
            recorder,
            answerer,
            _inline_rows(one_us, facts),
            raw,
        )

    async def drop(self, versions: list[LoadedVersion]) -> None:
        """Let go of versions that are not needed now."""
        for version in versions:
            self._metrics.forget(version.facts.model, version.facts.number)
        await self._hosts.drop(frozenset(v.facts.id for v in versions))

    async def close(self) -> None:
        await self._hosts.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _open(facts: ServedVersion, path: Path) -> tuple[Predictor, float]:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != facts.file[1]:
        raise ModelNotLoaded("The stored file is not the one that was proven.")
    try:
        predictor = open_predictor(facts.spec, facts.signature, data)
    except Exception as error:
        # A library that changed since the upload may raise anything while it opens.
        name = type(error).__name__
        raise ModelNotLoaded(
            f"The model cannot be opened: it raised {name}."
        ) from error
    return predictor, _warm_up(predictor, facts)


def _warm_up(predictor: Predictor, facts: ServedVersion) -> float:
    """Call it a few times; the shortest time of one row, in microseconds."""
    row = [_likely(field) for field in facts.signature.inputs]
    times = [facts.one_row_us]
    # The row is made up: a model may refuse it, and is as warm then.
    with suppress(Exception):
        times = [_timed(lambda: predictor.predict_one(row)) for _ in range(_WARM_CALLS)]
    return min(times)


def _timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e6


def _likely(field: InputField) -> Any:
    if field.values:
        return field.values[0]
    return _FILLERS[field.type] if field.min is None else field.min


def _inline_rows(one_us: float, facts: ServedVersion) -> int:
    """Most rows that take less than a millisecond together, by the measurements."""
    if one_us >= INLINE_MICROSECONDS:
        return 0
    each_us = max((facts.hundred_rows_us - facts.one_row_us) / 99, 0.01)
    fitting = 1 + int((INLINE_MICROSECONDS - one_us) / each_us)
    return min(fitting, INLINE_ROWS)
