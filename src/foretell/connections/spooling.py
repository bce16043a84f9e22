"""Rows of an outside source, spooled to a file and made into Parquet by a child.

The file is on this machine's disk, so memory is bounded by a chunk whatever the size of
the table; the process that talks to the database loads no data library, and the child
that does has no network.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from foretell.connections.cells import encode
from foretell.connections.errors import SourceFailed, SourceNotFound
from foretell.connections.evidence import ColumnEvidence
from foretell.core.blobs import BlobStore
from foretell.core.columns import ColumnType
from foretell.core.connectors import Chunk, ForeignColumn, Reading
from foretell.core.parts import Parts
from foretell.core.scratch import Scratch
from foretell.sandbox.pool import Sandbox
from foretell.tabular.spool_messages import SpoolProgress, SpoolRequest, SpoolResult

WRITER = "foretell.tabular.spool:write_parts"
TIMEOUT_SECONDS = 6 * 3600.0
CHUNK_ROWS = 1_000
MAX_COLUMNS = 10_000

Report = Callable[[str, int], Awaitable[None]]


class RowSpool:
    """Writes chunks as lines and notes what their cells are.

    Args:
        watched: A column whose last value is kept, for the next incremental import.
    """

    def __init__(
        self, declared: tuple[ForeignColumn, ...], watched: str | None = None
    ) -> None:
        self._columns = {column.name: ColumnEvidence(column) for column in declared}
        self._watched = watched
        self.rows = 0
        self.last: Any = None

    @property
    def columns(self) -> list[ColumnEvidence]:
        return list(self._columns.values())

    def lines(self, chunk: Chunk) -> bytes:
        """The lines of a chunk. Columns that come up late are null before.

        Raises:
            SourceFailed: There are too many columns.
        """
        return b"".join([self._line(row) for row in chunk])

    def _line(self, row: Mapping[str, Any]) -> bytes:
        columns = self._columns
        if not row.keys() <= columns.keys():
            self._meet(row)
        cells = [evidence.take(row.get(name)) for name, evidence in columns.items()]
        if self._watched is not None and row.get(self._watched) is not None:
            self.last = row[self._watched]
        self.rows += 1
        return orjson.dumps(cells) + b"\n"

    def _meet(self, row: Mapping[str, Any]) -> None:
        for name in row:
            if name not in self._columns:
                column = ForeignColumn(name)
                self._columns[name] = ColumnEvidence(column, nulls=self.rows)
        if len(self._columns) > MAX_COLUMNS:
            raise SourceFailed(f"The source has more than {MAX_COLUMNS:,} columns.")


@dataclass(frozen=True, slots=True)
class ReadTable:
    """A source that has been read, its Parquet parts in a folder.

    Attributes:
        columns: `{name, type, nullable}` of each column.
        findings: What a person should know, `{code, message, column}`.
        last: The largest value of the watched column, `{kind, value}`.
    """

    folder: Path
    result: SpoolResult
    columns: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    last: dict[str, Any] | None

    @property
    def rows(self) -> int:
        return self.result.rows

    @property
    def sample(self) -> bytes:
        """The rows as a JSON array, where only some were read."""
        return self.result.sample or b"[]"

    async def keep(self, blobs: BlobStore, prefix: str) -> list[dict[str, Any]]:
        """Make the parts blobs below `prefix`; `{key, rows, bytes, sha256}` each."""
        kept = []
        for part in self.result.parts:
            key = f"{prefix}{part.file}"
            await blobs.put(key, self.folder / part.file)
            figures = {"rows": part.rows, "bytes": part.bytes, "sha256": part.sha256}
            kept.append({"key": key, **figures})
        return kept


@asynccontextmanager
async def read_table(
    parts: Parts,
    reading: Reading,
    *,
    report: Report,
    declared: Sequence[ForeignColumn] | None = None,
    watched: str | None = None,
    most: int | None = None,
) -> AsyncIterator[ReadTable]:
    """Read a source to its end; its parts are there for the length of the block.

    Args:
        declared: What its columns are to be, if not what the source says.
        report: Called with the stage and the rows so far.
        most: Read only so many rows and write none: they are in `sample`.

    Raises:
        SourceNotFound: The source has no column `watched`.
    """
    async with parts.port(Scratch).folder("source") as folder:
        columns = reading.columns if declared is None else declared
        spool = RowSpool(tuple(columns), watched)
        path = folder / "rows.jsonl"
        await _spool(reading, spool, path, report, most)
        if not spool.columns:
            raise SourceFailed("The source has no columns: it is empty.")
        if watched is not None and watched not in [
            c.declared.name for c in spool.columns
        ]:
            raise SourceNotFound("column", watched)
        output = folder / "parts"
        await asyncio.to_thread(output.mkdir)
        result = await _make_parts(
            parts, spool, path, output, report, is_sample=most is not None
        )
        yield ReadTable(
            output,
            result,
            [_described(column) for column in spool.columns],
            [finding for column in spool.columns for finding in column.findings()],
            _last(spool.last),
        )


async def _spool(
    reading: Reading,
    spool: RowSpool,
    path: Path,
    report: Report,
    most: int | None = None,
) -> None:
    file: BinaryIO
    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in reading.chunks:
            if most is not None:
                chunk = chunk[: most - spool.rows]
            lines = await asyncio.to_thread(spool.lines, chunk)
            await asyncio.to_thread(file.write, lines)
            await report("reading", spool.rows)
            if most is not None and spool.rows >= most:
                return


async def _make_parts(
    parts: Parts,
    spool: RowSpool,
    source: Path,
    output: Path,
    report: Report,
    *,
    is_sample: bool,
) -> SpoolResult:
    async def tell(progress: SpoolProgress) -> None:
        await report("storing", progress.rows)

    columns = [column.column() for column in spool.columns]
    return await parts.port(Sandbox).run(
        WRITER,
        SpoolRequest(str(source), str(output), columns, is_sample),
        SpoolResult,
        read=[source],
        write=[output],
        memory_bytes=int(parts.settings.worker_memory),
        timeout_seconds=TIMEOUT_SECONDS,
        on_progress=tell,
        progress_type=SpoolProgress,
    )


def _described(evidence: ColumnEvidence) -> dict[str, Any]:
    """The column as the manifest of a version has it; the last two so that rows that
    follow later are stored alike."""
    column = evidence.column()
    described: dict[str, Any] = {
        "name": column.name,
        "type": str(column.type),
        "nullable": evidence.nulls > 0,
    }
    if column.type is ColumnType.DECIMAL:
        described["scale"] = column.scale
    if column.type is ColumnType.TIMESTAMP:
        described["zoned"] = column.is_zoned
    return described


def _last(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    kind, cell = encode(value)
    return {"kind": str(kind), "value": cell}
