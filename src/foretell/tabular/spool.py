"""Turns spooled rows into Parquet parts, in bounded memory. Runs in a sandboxed child.

A process that reads rows from a database loads no data library; it writes them as JSON
lines, and this makes columns of them, of the types that are named.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from foretell.core.columns import ColumnType
from foretell.tabular.column_kinds import DECIMAL_DIGITS
from foretell.tabular.parts import PartWriter
from foretell.tabular.spool_messages import (
    SpoolColumn,
    SpoolProgress,
    SpoolRequest,
    SpoolResult,
)

_GROUP_ROWS = 32_768
_DTYPES: Mapping[ColumnType, pl.DataType] = {
    ColumnType.BOOLEAN: pl.Boolean(),
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.FLOAT: pl.Float64(),
    ColumnType.TEXT: pl.String(),
    ColumnType.DATE: pl.Date(),
    ColumnType.TIME: pl.Time(),
    ColumnType.TIMESTAMP: pl.Datetime("us", "UTC"),
}
_READ: Mapping[ColumnType, Callable[[str], Any]] = {
    ColumnType.DECIMAL: Decimal,
    ColumnType.DATE: date.fromisoformat,
    ColumnType.TIME: time.fromisoformat,
    ColumnType.TIMESTAMP: datetime.fromisoformat,
}


def write_parts(
    request: SpoolRequest, report: Callable[[SpoolProgress], None]
) -> SpoolResult:
    """Write all rows, in their order."""
    schema = {column.name: _dtype(column) for column in request.columns}
    writer = PartWriter(Path(request.output))
    for rows in _groups(Path(request.source)):
        writer.add(_frame(rows, request.columns, schema))
        report(SpoolProgress(writer.rows))
    return SpoolResult(writer.rows, writer.finish(pl.DataFrame(schema=schema)))


def _groups(path: Path) -> Iterator[list[list[Any]]]:
    with path.open("rb") as lines:
        while group := [orjson.loads(line) for line in islice(lines, _GROUP_ROWS)]:
            yield group


def _frame(
    rows: list[list[Any]], columns: list[SpoolColumn], schema: dict[str, pl.DataType]
) -> pl.DataFrame:
    values = {}
    for place, column in enumerate(columns):
        read = _READ.get(column.type)
        cells = [row[place] for row in rows]
        if read is not None:
            cells = [None if cell is None else read(cell) for cell in cells]
        values[column.name] = cells
    return pl.DataFrame(values, schema=schema)


def _dtype(column: SpoolColumn) -> pl.DataType:
    if column.type is ColumnType.DECIMAL:
        return pl.Decimal(DECIMAL_DIGITS, column.scale)
    return _DTYPES[column.type]
