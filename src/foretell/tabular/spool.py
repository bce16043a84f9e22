"""Turns spooled rows into Parquet parts, in bounded memory. Runs in a sandboxed child.

A process that reads rows from a database loads no data library; it writes them as JSON
lines, and this makes columns of them, of the types that are named.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from foretell.core.columns import ColumnType
from foretell.tabular.column_kinds import DECIMAL_DIGITS
from foretell.tabular.parts import PartWriter
from foretell.tabular.row_bytes import json_rows
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
    ColumnType.DURATION: pl.Duration("us"),
    ColumnType.BINARY: pl.Binary(),
}


_DAY = date(2000, 1, 1)


def _text(cell: Any) -> str:
    """A cell among texts: a column of several types is one of texts."""
    return cell if isinstance(cell, str) else orjson.dumps(cell).decode()


def _moment(cell: str) -> datetime:
    found = datetime.fromisoformat(cell)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _wall_clock(cell: str) -> datetime:
    return datetime.fromisoformat(cell).replace(tzinfo=None)


def _duration(cell: int | str) -> timedelta:
    if isinstance(cell, int):
        return timedelta(microseconds=cell)
    found = time.fromisoformat(cell)
    return datetime.combine(_DAY, found) - datetime.combine(_DAY, time.min)


_READ: Mapping[ColumnType, Callable[[Any], Any]] = {
    ColumnType.INTEGER: int,
    ColumnType.FLOAT: float,
    ColumnType.DECIMAL: Decimal,
    ColumnType.TEXT: _text,
    ColumnType.DATE: date.fromisoformat,
    ColumnType.TIME: time.fromisoformat,
    ColumnType.TIMESTAMP: _moment,
    ColumnType.DURATION: _duration,
    ColumnType.BINARY: base64.b64decode,
}


def write_parts(
    request: SpoolRequest, report: Callable[[SpoolProgress], None]
) -> SpoolResult:
    """Write all rows, in their order."""
    schema = {column.name: _dtype(column) for column in request.columns}
    if request.is_sample:
        return _sample(request, schema)
    writer = PartWriter(Path(request.output))
    for rows in _groups(Path(request.source)):
        writer.add(_frame(rows, request.columns, schema))
        report(SpoolProgress(writer.rows))
    return SpoolResult(writer.rows, writer.finish(pl.DataFrame(schema=schema)))


def _sample(request: SpoolRequest, schema: dict[str, pl.DataType]) -> SpoolResult:
    rows = [row for group in _groups(Path(request.source)) for row in group]
    frame = _frame(rows, request.columns, schema)
    return SpoolResult(frame.height, [], json_rows(frame))


def _groups(path: Path) -> Iterator[list[list[Any]]]:
    with path.open("rb") as lines:
        while group := [orjson.loads(line) for line in islice(lines, _GROUP_ROWS)]:
            yield group


def _frame(
    rows: list[list[Any]], columns: list[SpoolColumn], schema: dict[str, pl.DataType]
) -> pl.DataFrame:
    values = {}
    for place, column in enumerate(columns):
        read = _reader(column)
        cells = [row[place] if place < len(row) else None for row in rows]
        if read is not None:
            cells = [None if cell is None else read(cell) for cell in cells]
        values[column.name] = cells
    return pl.DataFrame(values, schema=schema)


def _reader(column: SpoolColumn) -> Callable[[Any], Any] | None:
    if column.type is ColumnType.TIMESTAMP and not column.is_zoned:
        return _wall_clock
    read = _READ.get(column.item or column.type)
    if column.type is not ColumnType.LIST or read is None:
        return read
    return lambda cells: [None if cell is None else read(cell) for cell in cells]


def _dtype(column: SpoolColumn) -> pl.DataType:
    if column.type is ColumnType.LIST:
        return pl.List(_DTYPES[column.item or ColumnType.TEXT])
    if column.type is ColumnType.TIMESTAMP and not column.is_zoned:
        return pl.Datetime("us")
    if column.type is ColumnType.DECIMAL:
        return pl.Decimal(DECIMAL_DIGITS, column.scale)
    return _DTYPES[column.type]
