"""The rows of a dataset for a task's function: typed, in batches, with its rights."""

import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import orjson

from foretell.core.columns import ColumnType
from foretell.datasets.composing import datasets_service
from foretell.datasets.ports import RowsQuery
from foretell.datasets.reading import DatasetReader, columns_of
from foretell.jobs.context import JobContext

BATCH_ROWS = 1_000
Row = dict[str, Any]


async def dataset_rows(
    job: JobContext, name: str, *, version: int | None = None, batch: int = BATCH_ROWS
) -> AsyncIterator[list[Row]]:
    """All rows of a dataset version in their order, `batch` at a time.

    A row is a value by column name: numbers, texts and booleans as they are, decimals
    as `Decimal`, dates, times and moments as those of `datetime` (a moment without a
    zone is taken as UTC), `None` for null.

    Args:
        job: Whose owner has to be allowed to read it.
        version: The current one without. It is the same one to the end.

    Raises:
        DatasetNotFound, DatasetVersionNotFound: There is none that the owner may read.
    """
    parts = job.services
    async with parts.database.reading() as session:
        view = await datasets_service(parts, session).get(job.principal, name, version)
    columns = columns_of(view.shown)
    query = RowsQuery(select=[column.name for column in columns])
    read = {c.name: _READERS[c.type] for c in columns if c.type in _READERS}
    position = None
    while True:
        page = await parts.port(DatasetReader).page(
            view.shown, query, limit=batch, position=position, row_format="json"
        )
        rows: list[Row] = orjson.loads(page.body)
        if rows:
            yield [_typed(row, read) for row in rows]
        position = page.next
        if position is None:
            return


def _typed(row: Row, read: dict[str, Callable[[Any], Any]]) -> Row:
    for name, of in read.items():
        if row[name] is not None:
            row[name] = of(row[name])
    return row


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_READERS: dict[ColumnType, Callable[[Any], Any]] = {
    ColumnType.DECIMAL: Decimal,
    ColumnType.DATE: date.fromisoformat,
    ColumnType.TIME: time.fromisoformat,
    ColumnType.TIMESTAMP: _moment,
    ColumnType.BINARY: base64.b64decode,
}
