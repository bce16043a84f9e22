"""What can be asked of the calls of a model, and what becomes of old counts."""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.principal import Principal
from foretell.models.baselines import Baseline
from foretell.models.service import ModelsService
from foretell.models.signature import Signature
from foretell.predictions.monitoring.counting import Counted, added_up
from foretell.predictions.monitoring.errors import WindowInvalid
from foretell.predictions.monitoring.recording import PredictionLog
from foretell.predictions.monitoring.store import MonitoringStore, Total
from foretell.predictions.monitoring.summaries import (
    Day,
    Distribution,
    Latency,
    Summary,
    summarise,
)

DEFAULT_DAYS = 7
MAX_DAYS = 366
# A process writes the counts of today and yesterday only, so that nobody adds to the
# rows that are being put together.
SETTLED_DAYS = 3
_AT_ONCE = 200
_AT_MOST = 20_000
_decoder = msgspec.json.Decoder(Counted)


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The figures of one version in a window of whole days (UTC)."""

    model: str
    version: int
    first: date
    last: date
    calls: int
    errors: int
    errors_by_problem: dict[str, int]
    rows: int
    reference_rows: int
    latency_ms: Latency
    predictions: list[Distribution]
    drift: list[Distribution]
    days: list[Day]
    versions: list[Total]
    notes: list[str]


class MonitoringService:
    """Use cases of monitoring, in the unit of work of one request."""

    def __init__(
        self,
        store: MonitoringStore,
        models: ModelsService,
        log: PredictionLog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._models = models
        self._log = log
        self._clock = clock

    async def read(
        self,
        principal: Principal,
        model: str,
        reference: str | None,
        first: date | None,
        last: date | None,
    ) -> Monitoring:
        """The figures of a version, this process's calls up to now included.

        Args:
            reference: By default the version that answers.
            first, last: Days, both included; by default the last seven.

        Raises:
            ModelNotFound, ModelVersionNotFound: Not there for this caller.
            WindowInvalid: The days are in the wrong order, or too many.
        """
        first, last = self._window(first, last)
        await self._log.flush()
        version = await self._models.get_version(
            principal, model, reference, with_baseline=True
        )
        baseline = version.baseline_value
        contents = await self._store.contents(version.row.id, first, last)
        totals = await self._store.totals(version.row.model_id, first, last)
        summary = await asyncio.to_thread(summarise, contents, baseline)
        return Monitoring(
            model=model,
            version=version.version,
            first=first,
            last=last,
            calls=summary.calls,
            errors=summary.errors,
            errors_by_problem=summary.errors_by_problem,
            rows=summary.rows,
            reference_rows=baseline.rows,
            latency_ms=summary.latency_ms,
            predictions=summary.predictions,
            drift=summary.drift,
            days=summary.days,
            versions=totals,
            notes=_notes(baseline, version.signature_value, summary),
        )

    def _window(self, first: date | None, last: date | None) -> tuple[date, date]:
        last = last or max(self._clock.now().date(), first or date.min)
        if first is None:
            first = date.fromordinal(max(last.toordinal() - DEFAULT_DAYS + 1, 1))
        if first > last:
            raise WindowInvalid("/from", "The first day is after the last one.")
        if (last - first).days >= MAX_DAYS:
            raise WindowInvalid("/from", f"At most {MAX_DAYS} days can be asked for.")
        return first, last


def _notes(baseline: Baseline, signature: Signature, summary: Summary) -> list[str]:
    notes = []
    if not baseline.rows:
        notes.append(
            "This version was uploaded without example rows, so there is nothing to "
            "compare its inputs with; upload it again with an example."
        )
    elif len(baseline.inputs) < len(signature.inputs):
        left = len(signature.inputs) - len(baseline.inputs)
        notes.append(f"{left:,} inputs are not watched: too many, or of another type.")
    if baseline.inputs and summary.drift[0].rows < summary.rows:
        notes.append(
            f"{summary.drift[0].rows:,} of {summary.rows:,} rows were looked at; the "
            "others came too fast, in long bodies or as Arrow streams."
        )
    return notes


class Housekeeping:
    """Adds up the rows of past days and forgets old ones.

    Args:
        days: For how many days counts are kept; 0: for ever.
    """

    def __init__(self, database: Database, clock: Clock, days: int) -> None:
        self._database = database
        self._clock = clock
        self._days = days

    async def run(self) -> None:
        """Do what is due; several servers may do it at once."""
        today = self._clock.now().date()
        if self._days:
            await self._forget(today - timedelta(days=self._days))
        await self._gather(today - timedelta(days=SETTLED_DAYS))

    async def _forget(self, before: date) -> None:
        for _ in range(_AT_MOST // _AT_ONCE):
            async with self._database.writing() as session:
                gone = await MonitoringStore(session).forget(before, limit=_AT_ONCE)
            if gone < _AT_ONCE:
                return

    async def _gather(self, before: date) -> None:
        async with self._database.reading() as session:
            found = await MonitoringStore(session).scattered(before, limit=_AT_ONCE)
        for version_id, day in found:
            await self._gather_one(version_id, day)

    async def _gather_one(self, version_id: str, day: date) -> None:
        with contextlib.suppress(_TakenByAnother):
            async with self._database.writing() as session:
                store = MonitoringStore(session)
                parts = await store.parts(version_id, day)
                if len(parts) < 2:
                    return
                decoded = [_decoder.decode(part.content) for part in parts]
                whole = added_up(decoded)
                if not await store.replace(parts, whole, now=self._clock.now()):
                    raise _TakenByAnother


class _TakenByAnother(Exception):
    """Another server has added these rows up."""
