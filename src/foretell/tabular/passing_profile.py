"""Statistics of rows on their way into a version, so that none is read twice for them.

Every value is seen once, in blocks. What exact figures need is put aside: 8 bytes of
each number or time, and of each text either its count, where a column has few
different ones, or 64 bits of hash, where it has many. Beyond some MiB that lies in a
temporary file, and at the end one column at a time is taken out of it. The figures
are those of `profiling`, which computes them for conditions and for versions that no
import made.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from foretell.core.columns import ColumnType
from foretell.tabular.correlations import Correlations
from foretell.tabular.profiling import (
    TOP,
    ColumnProfile,
    column_type,
    describe_numbers,
    describe_values,
    values_of,
)

_IN_MEMORY = 48 << 20
_MOST_COLUMNS = 1000  # of wider tables the figures are computed when they are asked for
_KEPT_VALUES = 100_000
_KEPT_BYTES = 8 << 20
_JUDGED_ROWS = 1000
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DECIMAL)


class PassingProfile:
    """Takes the blocks of a version in order and gives its profile.

    A block is looked at in a thread while the next one is read; one may wait.

    Args:
        folder: For the temporary file.
    """

    def __init__(self, folder: Path) -> None:
        self._put_aside = _PutAside(folder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="profile")
        self._pending: Future[None] | None = None
        self._columns: list[_Column] | None = None
        self._related = Correlations(())
        self._rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take the next rows."""
        if self._pending is not None:
            self._pending.result()
        self._pending = self._thread.submit(self._take, frame)

    def finish(self, empty: pl.DataFrame, parts: Sequence[Path]) -> bytes | None:
        """Return the profile as JSON; None for a table too wide for one.

        Args:
            empty: A frame of no rows with the version's columns.
            parts: The Parquet files that hold the rows by now.
        """
        self.add(empty)
        self._thread.shutdown()
        try:
            return self._result(pl.scan_parquet(list(parts)))
        finally:
            self._put_aside.close()

    def discard(self) -> None:
        """Forget everything."""
        self._thread.shutdown(cancel_futures=True)
        self._put_aside.close()

    def _take(self, frame: pl.DataFrame) -> None:
        if self._columns is None:
            self._columns = self._begin(frame.schema)
        self._rows += frame.height
        for column, cells in zip(self._columns, frame.iter_columns(), strict=False):
            column.take(cells)
        if frame.height:
            self._related.add(frame)

    def _begin(self, schema: pl.Schema) -> list["_Column"]:
        if len(schema) > _MOST_COLUMNS:
            return []
        numbers = [n for n, dtype in schema.items() if column_type(dtype) in _NUMBERS]
        self._related = Correlations(numbers)
        return [
            _column(place, name, dtype, self._put_aside)
            for place, (name, dtype) in enumerate(schema.items())
        ]

    def _result(self, scan: pl.LazyFrame) -> bytes | None:
        if self._pending is not None:
            self._pending.result()
        if not self._columns:
            return None
        found: dict[str, Any] = {
            "rows": self._rows,
            "columns": [column.result(scan) for column in self._columns],
            "correlations": self._related.result(),
        }
        return msgspec.json.encode(found)


class _PutAside:
    """Values of many columns, in memory or in one temporary file."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = (
            tempfile.SpooledTemporaryFile(  # noqa: SIM115 - see close
                max_size=_IN_MEMORY, dir=str(folder)
            )
        )
        self._pieces: dict[int, list[tuple[int, int]]] = {}
        self._end = 0

    def add(self, place: int, values: pl.Series) -> None:
        """Keep values of fixed width, without nulls, of the column at `place`."""
        array = values.rechunk().to_arrow()
        width = array.type.bit_width // 8
        buffer = memoryview(array.buffers()[1])
        start = array.offset * width
        self._file.write(buffer[start : start + len(array) * width])
        self._pieces.setdefault(place, []).append((self._end, len(array) * width))
        self._end += len(array) * width

    def take(self, place: int) -> bytearray:
        """Return all values kept of one column."""
        pieces = self._pieces.pop(place, [])
        whole = bytearray(sum(size for _, size in pieces))
        view, at = memoryview(whole), 0
        for start, size in pieces:
            self._file.seek(start)
            view[at : at + size] = self._file.read(size)
            at += size
        return whole

    def close(self) -> None:
        self._file.close()


class _Column(Protocol):
    """What is known of one column so far."""

    def take(self, cells: pl.Series) -> None:
        """Look at the next cells."""

    def result(self, scan: pl.LazyFrame) -> ColumnProfile:
        """Return the column's statistics; `scan` reads what was stored of it."""


def _column(place: int, name: str, dtype: pl.DataType, put_aside: _PutAside) -> _Column:
    if dtype.is_numeric() or dtype.is_temporal():
        return _Numbers(place, name, dtype, put_aside)
    if dtype.is_nested() or isinstance(dtype, pl.Binary):
        return _Opaque(name, dtype)
    return _Values(place, name, dtype, put_aside)


class _Opaque:
    """A column of which only the nulls are counted."""

    def __init__(self, name: str, dtype: pl.DataType) -> None:
        self._name, self._dtype, self._nulls = name, dtype, 0

    def take(self, cells: pl.Series) -> None:
        self._nulls += cells.null_count()

    def result(self, scan: pl.LazyFrame) -> ColumnProfile:
        return ColumnProfile(
            name=self._name, type=column_type(self._dtype), nulls=self._nulls
        )


class _Numbers:
    """A column of numbers or times."""

    def __init__(
        self, place: int, name: str, dtype: pl.DataType, put_aside: _PutAside
    ) -> None:
        self._place, self._name, self._dtype = place, name, dtype
        self._put_aside = put_aside
        self._stored: pl.DataType = dtype
        self._nulls = 0

    def take(self, cells: pl.Series) -> None:
        self._nulls += cells.null_count()
        values = cells.to_physical() if self._dtype.is_temporal() else cells
        self._stored = values.dtype
        self._put_aside.add(self._place, values.drop_nulls())

    def result(self, scan: pl.LazyFrame) -> ColumnProfile:
        kept = self._put_aside.take(self._place)
        type_ = pl.Series([], dtype=self._stored).to_arrow().type
        count = len(kept) // (type_.bit_width // 8)
        array = pa.Array.from_buffers(type_, count, [None, pa.py_buffer(kept)])
        cells = pl.Series(array, dtype=self._stored)
        # The figures that need order come last, and nobody needs the file's any more.
        is_plain = self._stored.is_integer() or self._stored.is_float()
        buffer = np.frombuffer(kept, cells.to_numpy().dtype) if is_plain else None
        return describe_numbers(
            self._name, self._dtype, cells, self._nulls, buffer=buffer
        )


class _Values:
    """A column of texts or booleans: counts of its values, or their hashes."""

    def __init__(
        self, place: int, name: str, dtype: pl.DataType, put_aside: _PutAside
    ) -> None:
        self._place, self._name, self._dtype = place, name, dtype
        self._put_aside = put_aside
        self._is_varied = False
        self._counts: list[pl.DataFrame] = []
        self._merged = 0
        self._bytes = 0.0
        self._first: pl.DataFrame | None = None
        self._low: str | None = None
        self._high: str | None = None
        self._nulls = 0

    def take(self, cells: pl.Series) -> None:
        self._nulls += cells.null_count()
        known = cells.alias("value").drop_nulls()
        if known.is_empty():
            return
        if isinstance(self._dtype, pl.String):
            self._widen(str(known.min()), str(known.max()))
        hashes = known.hash().alias("h")
        if self._is_varied:
            self._put_aside.add(self._place, hashes)
            return
        found = _counted(pl.DataFrame([hashes, known]), pl.len().alias("count"))
        self._counts.append(found)
        self._bytes += found.estimated_size()
        is_unlike = 2 * found.height > known.len() > _JUDGED_ROWS
        is_long = sum(c.height for c in self._counts) > 2 * self._merged + 4096
        if is_unlike or is_long or self._bytes > 2 * _KEPT_BYTES:
            self._merge(is_varied=is_unlike)

    def _widen(self, low: str, high: str) -> None:
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)

    def _merge(self, *, is_varied: bool = False) -> None:
        """Bring the counts together; forget the texts where there are too many."""
        if not self._counts:
            return
        found = _counted(pl.concat(self._counts), pl.col("count").sum())
        size = found["value"].estimated_size()
        if is_varied or found.height > _KEPT_VALUES or size > _KEPT_BYTES:
            self._is_varied = True
            first = found.select(pl.col("value").sort().head(TOP))
            self._first = _alone(first)
            found = found.select("h", "count")
        self._counts, self._merged = [found], found.height
        self._bytes = found.estimated_size()

    def result(self, scan: pl.LazyFrame) -> ColumnProfile:
        if not self._is_varied:
            self._merge()
        if self._is_varied:
            distinct, top = self._sum_up(scan)
        else:
            empty = pl.DataFrame(schema={"value": self._dtype, "count": pl.Int64})
            top = self._counts[0] if self._counts else empty
            distinct = top.height
        return describe_values(
            self._name,
            self._dtype,
            nulls=self._nulls,
            distinct=distinct,
            ends=(self._low, self._high),
            top=top,
        )

    def _sum_up(self, scan: pl.LazyFrame) -> tuple[int, pl.DataFrame]:
        """How many values there are, and the most frequent ones."""
        early = self._counts[0].sort("h")
        early_hashes = early["h"].to_numpy()
        early_counts = early["count"].to_numpy().astype(np.uint32)
        hashes, counts = _run_lengths(self._put_aside.take(self._place))
        at = np.searchsorted(hashes, early_hashes)
        is_known = np.zeros(len(early_hashes), np.bool_)
        inner = at < len(hashes)
        is_known[inner] = hashes[at[inner]] == early_hashes[inner]
        counts[at[is_known]] += early_counts[is_known]
        hashes = np.concatenate([hashes, early_hashes[~is_known]])
        counts = np.concatenate([counts, early_counts[~is_known]])
        first, wanted = self._first, min(TOP, len(hashes))
        if counts.max() == 1 and first is not None and first.height == wanted:
            return len(hashes), first.with_columns(count=pl.lit(1, pl.Int64))
        most = np.argpartition(counts, -wanted)[-TOP:]
        return len(hashes), values_of(scan, self._name, pl.Series(hashes[most]))


def _counted(frame: pl.DataFrame, count: pl.Expr) -> pl.DataFrame:
    values = pl.col("value").first()
    return _alone(frame.group_by("h").agg(values, count.cast(pl.Int64)))


def _alone(frame: pl.DataFrame) -> pl.DataFrame:
    """The same with texts of its own: one text that was taken out of a block holds all
    texts of that block in memory."""
    if frame.schema["value"] != pl.String:
        return frame
    oldest = pl.CompatLevel.oldest()
    copied = frame["value"].to_arrow(compat_level=oldest)
    return frame.with_columns(pl.Series("value", copied, dtype=pl.String))


def _run_lengths(
    kept: bytearray,
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Return each hash once, in order, and how often it was there.

    Ten million different texts are no rarity, so no array is made that is not needed.
    """
    hashes: NDArray[np.uint64] = np.frombuffer(kept, np.uint64)
    hashes.sort()
    is_last = np.ones(len(hashes), np.bool_)
    np.not_equal(hashes[1:], hashes[:-1], out=is_last[:-1])
    if is_last.all():
        return hashes, np.ones(len(hashes), np.uint32)
    ends = np.flatnonzero(is_last)
    return hashes[ends], np.diff(ends, prepend=-1).astype(np.uint32)
