"""What the footer of a part says: its row groups, and what their columns hold.

Parts never change, so a footer is parsed once and kept: that is a third of the time of
a page. Smallest and largest values are given as stored (numbers, days, microseconds,
the bytes of a text), because those compare as the order of rows does.
"""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import polars as pl
import pyarrow.parquet as pq

from foretell.tabular.caching import ByteBounded

Key = int | bytes

_CACHE_BYTES = 64 << 20
_EPOCH = date(1970, 1, 1)
_MOMENT_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64)


class Zone(msgspec.Struct, frozen=True):
    """What one row group holds of a column.

    Attributes:
        low, high: Smallest and largest value; `None` where there are only nulls.
    """

    low: Key | None
    high: Key | None
    nulls: int


class Footer:
    """The footer of one part.

    Attributes:
        starts: The first row of each row group, from 0; behind them the row count.
    """

    def __init__(self, path: str) -> None:
        self._metadata = pq.read_metadata(path)
        self.schema: pl.Schema = pl.read_parquet_schema(path)  # type: ignore[assignment]
        self.starts = [0]
        for number in range(self._metadata.num_row_groups):
            rows = self._metadata.row_group(number).num_rows
            self.starts.append(self.starts[-1] + rows)
        self._zones: dict[str, list[Zone | None]] = {}
        self._places: dict[str, int] | None = None

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        columns = len(self.schema) * (len(self.starts) + 1)
        return int(self._metadata.serialized_size) * 2 + columns * 200

    def zones(self, column: str) -> list[Zone | None]:
        """What each row group holds of a column; `None` where that is not known."""
        if column not in self._zones:
            self._zones[column] = self._read(column)
        return self._zones[column]

    def _read(self, column: str) -> list[Zone | None]:
        groups = range(len(self.starts) - 1)
        place = self._place(column) if orders_as_stored(self.schema[column]) else None
        if place is None:
            return [None for _ in groups]
        return [_zone(self._metadata.row_group(n).column(place)) for n in groups]

    def _place(self, column: str) -> int | None:
        if self._places is None:
            schema = self._metadata.schema
            leaves = [schema.column(n) for n in range(len(schema))]
            # A leaf of a nested column has the name of a column in its path only.
            self._places = {
                leaf.name: n for n, leaf in enumerate(leaves) if leaf.path == leaf.name
            }
        return self._places.get(column)


def _zone(chunk: Any) -> Zone | None:
    found = chunk.statistics
    if found is None or not found.has_null_count:
        return None
    if found.has_min_max:
        return Zone(found.min_raw, found.max_raw, found.null_count)
    is_empty = found.null_count == chunk.num_values
    return Zone(None, None, found.null_count) if is_empty else None


def orders_as_stored(dtype: pl.DataType) -> bool:
    """Whether values compare as their stored form does.

    Floats do not: NaN is in no statistics, but larger than every number in a condition.
    """
    return isinstance(
        dtype, (*_INTEGERS, pl.String, pl.Date, pl.Datetime, pl.Time, pl.Duration)
    )


def stored_key(value: Any, dtype: pl.DataType) -> Key | None:
    """Return a value of the expression language as it is stored; `None`: not known."""
    if isinstance(dtype, _INTEGERS):
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        return value if is_integer else None
    if isinstance(dtype, pl.String):
        return value.encode() if isinstance(value, str) else None
    if isinstance(dtype, pl.Datetime) and isinstance(value, datetime):
        return _moment(value, dtype)
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    if isinstance(dtype, pl.Date) and is_day:
        return int((value - _EPOCH).days)
    return None


def _moment(value: datetime, dtype: pl.Datetime) -> int | None:
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    since = moment - _MOMENT_EPOCH
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if dtype.time_unit == "ns":
        return micros * 1_000
    if dtype.time_unit == "ms":
        return micros // 1_000 if micros % 1_000 == 0 else None
    return micros


_FOOTERS: ByteBounded[str, Footer] = ByteBounded(
    _CACHE_BYTES, lambda footer: footer.size_bytes
)


def footer(path: str) -> Footer:
    """Return the footer of a part."""
    return _FOOTERS.get_or_make(path, lambda: Footer(path))
