"""Tables on disk while a recipe runs: a source version, or what a step spooled.

Every frame has one more column than the table, the number of the row in the source
version (from 1), so that a reject can say where its row came from, however many were
left out or moved before.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from foretell.recipes.messages import InputPart
from foretell.tabular.parts import PartWriter

FIRST_BATCH = 32_768
MOST_ROWS = 262_144
BATCH_BYTES = 48 << 20


class Table:
    """Parquet parts in row order.

    Args:
        row: Name of the column of row numbers.
        is_numbered: Whether the parts hold that column; else it is made while reading.
    """

    def __init__(
        self, parts: Sequence[InputPart], row: str, *, is_numbered: bool
    ) -> None:
        self._parts = [part for part in parts if part.rows] or list(parts[:1])
        self._is_numbered = is_numbered
        self.row = row
        self.rows = sum(part.rows for part in parts)

    @property
    def paths(self) -> set[str]:
        """Where its parts are."""
        return {part.path for part in self._parts}

    def scan(self) -> pl.LazyFrame:
        """All rows, lazily."""
        frames, first = [], 1
        for part in self._parts:
            frames.append(self._scan(part, first))
            first += part.rows
        return pl.concat(frames)

    def empty(self) -> pl.DataFrame:
        """No rows, with the columns as they are stored."""
        return self._scan(self._parts[0], 1).head(0).collect()

    def batches(self) -> Iterator[pl.DataFrame]:
        """All rows in order, a bounded number at a time, one read ahead."""
        with ThreadPoolExecutor(1, thread_name_prefix="reading") as reader:
            frames = self._frames()
            waiting = reader.submit(next, frames, None)
            while (frame := waiting.result()) is not None:
                waiting = reader.submit(next, frames, None)
                yield frame

    def _frames(self) -> Iterator[pl.DataFrame]:
        first, size = 1, FIRST_BATCH
        for part in self._parts:
            start = 0
            while start < part.rows:
                scan = self._scan(part, first)
                frame = scan.slice(start, size).collect()
                start += size
                size = _fitting(frame)
                yield frame
            first += part.rows

    def _scan(self, part: InputPart, first: int) -> pl.LazyFrame:
        if self._is_numbered:
            return pl.scan_parquet(part.path)
        scan = pl.scan_parquet(
            part.path, row_index_name=self.row, row_index_offset=first
        )
        return scan.with_columns(pl.col(self.row).cast(pl.Int64))


def _fitting(frame: pl.DataFrame) -> int:
    """How many rows like these make a batch: whole row groups, as they are stored."""
    bytes_each = frame.estimated_size() / max(frame.height, 1)
    fitting = min(int(BATCH_BYTES / max(bytes_each, 1)), MOST_ROWS)
    return max(fitting // FIRST_BATCH * FIRST_BATCH, FIRST_BATCH // 8)


class Spool:
    """Keeps what one step made for the next that needs the whole table."""

    def __init__(self, folder: Path, row: str) -> None:
        self._folder = folder
        self._row = row
        self._count = 0

    def of_frames(self, frames: Iterator[pl.DataFrame], empty: pl.DataFrame) -> Table:
        """A table of frames."""
        self._count += 1
        writer = PartWriter(self._folder, f"spool{self._count}")
        for frame in frames:
            writer.add(frame)
        written = writer.finish(empty)
        return self._table(
            [InputPart(str(self._folder / p.file), p.rows) for p in written]
        )

    def of_scan(self, scan: pl.LazyFrame) -> Table:
        """A table of what a lazy query gives, written while it runs."""
        self._count += 1
        path = self._folder / f"spool{self._count}-whole.parquet"
        scan.sink_parquet(path, compression="lz4", row_group_size=FIRST_BATCH)
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        return self._table([InputPart(str(path), rows)])

    def keep_only(self, table: Table | None) -> None:
        """Remove all other tables from the disk."""
        kept = set() if table is None else table.paths
        for path in self._folder.glob("spool*"):
            if str(path) not in kept:
                path.unlink()

    def _table(self, parts: list[InputPart]) -> Table:
        return Table(parts, self._row, is_numbered=True)
