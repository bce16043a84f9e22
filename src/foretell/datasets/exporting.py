"""The rows of a version on their way out: typed, in chunks, in their order."""

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import orjson

from foretell.core.columns import Column, ColumnType
from foretell.core.connectors import Chunk, ForeignColumn
from foretell.core.parts import Parts
from foretell.datasets.ports import RowsQuery
from foretell.datasets.query import Selection
from foretell.datasets.reading import DatasetReader, columns_of
from foretell.datasets.tables import DatasetVersion

PAGE_ROWS = 5_000
_DURATION = re.compile(
    r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
Report = Callable[[int], Awaitable[None]]


class Export:
    """One version, to be written elsewhere."""

    def __init__(self, parts: Parts, version: DatasetVersion) -> None:
        self._reader = parts.port(DatasetReader)
        self._version = version
        self._columns = columns_of(version)

    async def columns(self) -> list[ForeignColumn]:
        """The columns with what the manifest need not say: digits behind the point,
        and whether timestamps are moments. The first cell that is not null tells."""
        found = []
        for column, said in zip(self._columns, self._version.columns, strict=True):
            scale, is_zoned = said.get("scale"), said.get("zoned", True)
            if column.type is ColumnType.DECIMAL and scale is None:
                text = await self._first(column)
                scale = len(text.partition(".")[2]) if text else 0
            if column.type is ColumnType.TIMESTAMP and "zoned" not in said:
                text = await self._first(column)
                is_zoned = text is None or text.endswith("Z")
            found.append(ForeignColumn(column.name, column.type, scale, is_zoned))
        return found

    async def _first(self, column: Column) -> str | None:
        name = '"' + column.name.replace('"', '""') + '"'
        asked = Selection.of(
            self._columns, f"{name} IS NOT NULL", functions=self._reader.functions
        )
        query = RowsQuery(select=[column.name], where=asked.where)
        page = await self._reader.page(
            self._version, query, limit=1, position=None, row_format="json"
        )
        rows: list[dict[str, Any]] = orjson.loads(page.body)
        return None if not rows else str(rows[0][column.name])

    async def pages(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All rows as JSON has them."""
        query = RowsQuery(select=[column.name for column in self._columns])
        position = None
        while True:
            page = await self._reader.page(
                self._version,
                query,
                limit=PAGE_ROWS,
                position=position,
                row_format="json",
            )
            rows: list[dict[str, Any]] = orjson.loads(page.body)
            if rows:
                yield rows
            position = page.next
            if position is None:
                return


async def typed_chunks(
    export: Export, columns: Sequence[ForeignColumn], report: Report
) -> AsyncIterator[Chunk]:
    """All rows, each cell of Python's own type for its column."""
    read = {c.name: _READERS[c.type] for c in columns if c.type in _READERS}
    done = 0
    async for rows in export.pages():
        for row in rows:
            for name, of in read.items():
                if row[name] is not None:
                    row[name] = of(row[name])
        yield rows
        done += len(rows)
        await report(done)


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration")
    sign, days, hours, minutes, seconds = found.groups()
    # Seconds as a decimal: a float would lose the last digits of long durations.
    microseconds = int(Decimal(seconds or 0) * 1_000_000)
    length = timedelta(
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        microseconds=microseconds,
    )
    return -length if sign else length


_READERS: Mapping[ColumnType | None, Callable[[Any], Any]] = {
    ColumnType.DECIMAL: Decimal,
    ColumnType.DATE: date.fromisoformat,
    ColumnType.TIME: time.fromisoformat,
    ColumnType.TIMESTAMP: datetime.fromisoformat,
    ColumnType.DURATION: _duration,
    ColumnType.BINARY: base64.b64decode,
}
