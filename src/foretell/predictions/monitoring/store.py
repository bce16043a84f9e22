"""Every statement on the counts of predictions, within one session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import msgspec
from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.ids import new_id
from foretell.models.tables import ModelVersion
from foretell.predictions.monitoring.counting import Counted
from foretell.predictions.monitoring.tables import PredictionCount

_CHANGING = ("calls", "errors", "rows", "seconds", "content", "updated_at")


class Countable(Protocol):
    """What is stored of one version and day; see `recording.Segment`."""

    @property
    def id(self) -> str: ...
    @property
    def version_id(self) -> str: ...
    @property
    def day(self) -> date: ...
    @property
    def counted(self) -> Counted: ...


@dataclass(frozen=True, slots=True)
class Total:
    """Calls of one version in a window."""

    version: int
    calls: int
    errors: int
    rows: int


class MonitoringStore:
    """The table of counts, seen through one session; it never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(self, segments: Sequence[Countable], *, now: datetime) -> None:
        """Store all that was counted, in the place of what was stored of it before.

        Versions that are deleted are left out.
        """
        wanted = {one.version_id for one in segments}
        there = set(
            await self._session.scalars(
                select(ModelVersion.id).where(ModelVersion.id.in_(wanted))
            )
        )
        rows = [_row(one, now) for one in segments if one.version_id in there]
        if not rows:
            return
        try:
            async with self._session.begin_nested():
                await self._session.execute(self._upsert(), rows)
        except IntegrityError:
            # One was deleted in between. The others are whole the next time, since
            # each time all is stored that was counted.
            return

    def _upsert(self) -> Any:
        dialect = self._session.get_bind().dialect.name
        table: Any = PredictionCount.__table__
        if dialect in ("mysql", "mariadb"):
            made = mysql.insert(table)
            return made.on_duplicate_key_update(
                {name: made.inserted[name] for name in _CHANGING}
            )
        kind: Any = postgresql if dialect == "postgresql" else sqlite
        upsert = kind.insert(table)
        return upsert.on_conflict_do_update(
            index_elements=["id"],
            set_={name: upsert.excluded[name] for name in _CHANGING},
        )

    async def contents(
        self, version_id: str, first: date, last: date
    ) -> list[tuple[date, str]]:
        """What every process counted of a version, by day."""
        statement = (
            select(PredictionCount.day, PredictionCount.content)
            .where(
                PredictionCount.version_id == version_id,
                PredictionCount.day.between(first, last),
            )
            .order_by(PredictionCount.day, PredictionCount.id)
        )
        return [(day, text) for day, text in await self._session.execute(statement)]

    async def totals(self, model_id: str, first: date, last: date) -> list[Total]:
        """The versions of a model that had calls, by number."""
        sums = [
            func.sum(column)
            for column in (
                PredictionCount.calls,
                PredictionCount.errors,
                PredictionCount.rows,
            )
        ]
        statement = (
            select(ModelVersion.number, *sums)
            .join(ModelVersion, ModelVersion.id == PredictionCount.version_id)
            .where(
                ModelVersion.model_id == model_id,
                PredictionCount.day.between(first, last),
            )
            .group_by(ModelVersion.number)
            .order_by(ModelVersion.number)
        )
        return [
            Total(*map(int, found)) for found in await self._session.execute(statement)
        ]

    # --- keeping house -----------------------------------------------------------

    async def scattered(self, before: date, *, limit: int) -> list[tuple[str, date]]:
        """Versions and days before `before` of which there are several rows."""
        statement = (
            select(PredictionCount.version_id, PredictionCount.day)
            .where(PredictionCount.day < before)
            .group_by(PredictionCount.version_id, PredictionCount.day)
            .having(func.count() > 1)
            .limit(limit)
        )
        return [
            (version, day) for version, day in await self._session.execute(statement)
        ]

    async def parts(self, version_id: str, day: date) -> list[PredictionCount]:
        """The rows of one version and day."""
        statement = select(PredictionCount).where(
            PredictionCount.version_id == version_id, PredictionCount.day == day
        )
        return list(await self._session.scalars(statement))

    async def replace(
        self, parts: Sequence[PredictionCount], whole: Counted, *, now: datetime
    ) -> bool:
        """Put one row in the place of several.

        Returns:
            False when somebody else has done it: the unit of work is to be rolled back.
        """
        ids = [part.id for part in parts]
        version_id, day = parts[0].version_id, parts[0].day
        removed: Any = await self._session.execute(
            delete(PredictionCount)
            .where(PredictionCount.id.in_(ids))
            .execution_options(synchronize_session=False)
        )
        if removed.rowcount != len(ids):
            return False
        row = _values(new_id(), version_id, day, whole, now)
        await self._session.execute(insert(PredictionCount), row)
        return True

    async def forget(self, before: date, *, limit: int) -> int:
        """Remove some of the rows of days before `before`; says how many."""
        some = select(PredictionCount.id).where(PredictionCount.day < before)
        ids = list(await self._session.scalars(some.limit(limit)))
        if ids:
            await self._session.execute(
                delete(PredictionCount)
                .where(PredictionCount.id.in_(ids))
                .execution_options(synchronize_session=False)
            )
        return len(ids)


def _row(one: Countable, now: datetime) -> dict[str, Any]:
    return _values(one.id, one.version_id, one.day, one.counted, now)


def _values(
    row_id: str, version_id: str, day: date, counted: Counted, now: datetime
) -> dict[str, Any]:
    return {
        "id": row_id,
        "version_id": version_id,
        "day": day,
        "calls": counted.calls,
        "errors": counted.failures,
        "rows": counted.rows,
        "seconds": counted.seconds,
        "content": msgspec.json.encode(counted).decode(),
        "updated_at": now,
    }
