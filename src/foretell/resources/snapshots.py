"""Copies the rows of a resource into a version of a dataset.

All rows are read in one consistent read, by pages along the key, and spooled to a
file; a child makes Parquet of it. So the read is short, memory is bounded, and the
worker loads no data library.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from foretell.core.columns import ColumnType
from foretell.core.consistent import consistent_reading
from foretell.core.parts import Parts
from foretell.core.scratch import Scratch
from foretell.datasets.contents import VersionContents
from foretell.datasets.ports import SortKey
from foretell.resources.access import Access
from foretell.resources.columns import Kind, ResourceColumn
from foretell.resources.description import ResourceDescription
from foretell.resources.listing import ListQuery, Position
from foretell.resources.rows import Row, to_bytes
from foretell.resources.store import ResourceStore, compiled_of
from foretell.sandbox.pool import Sandbox
from foretell.tabular.spool_messages import (
    SpoolColumn,
    SpoolProgress,
    SpoolRequest,
    SpoolResult,
)

WRITER = "foretell.tabular.spool:write_parts"
TIMEOUT_SECONDS = 6 * 3600.0
PAGE_ROWS = 5_000

Report = Callable[[int], Awaitable[None]]


class Snapshot:
    """The rows of one resource, as one caller sees them.

    Args:
        where: A condition for the rows, `None` for all.
    """

    def __init__(self, parts: Parts, access: Access, where: str | None) -> None:
        self._parts = parts
        self._access = access
        self._where = where
        self._description = access.description

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The columns, as the manifest of a version names them."""
        return [
            {"name": column.name, "type": type_of(column), "nullable": column.nullable}
            for column in self._description.readable
        ]

    @asynccontextmanager
    async def written(self, report: Report) -> AsyncIterator["WrittenSnapshot"]:
        """Parts in a folder of this machine, for the length of the block."""
        async with self._parts.port(Scratch).folder("snapshot") as folder:
            spool = folder / "rows.jsonl"
            await self._spool(spool, report)
            output = folder / "parts"
            await asyncio.to_thread(output.mkdir)
            result = await self._make_parts(spool, output, report)
            yield WrittenSnapshot(self._parts, output, result, self.columns)

    async def _spool(self, path: Path, report: Report) -> None:
        done = 0
        with await asyncio.to_thread(path.open, "wb") as file:
            async for rows in self._pages():
                lines = await asyncio.to_thread(self._lines, rows)
                await asyncio.to_thread(file.write, lines)
                done += len(rows)
                await report(done)

    async def _pages(self) -> AsyncIterator[list[Row]]:
        key = self._description.key.name
        keys = (SortKey(key),)
        position = None
        async with consistent_reading(self._parts.database) as session:
            store = ResourceStore(
                compiled_of(self._description), session, self._access.condition
            )
            while True:
                query = ListQuery(where=self._where, position=position, keys=keys)
                plan = store.plans.plan(
                    query, owner=self._access.reads_as, take=PAGE_ROWS
                )
                rows = await store.list_rows(plan)
                if rows:
                    yield rows
                if len(rows) < PAGE_ROWS:
                    return
                position = Position((rows[-1][key],))

    def _lines(self, rows: Sequence[Row]) -> bytes:
        columns = self._description.readable
        return b"".join(
            to_bytes([_cell(column, row[column.name]) for column in columns]) + b"\n"
            for row in rows
        )

    async def _make_parts(
        self, spool: Path, output: Path, report: Report
    ) -> SpoolResult:
        columns = [
            SpoolColumn(column.name, type_of(column), column.scale or 0)
            for column in self._description.readable
        ]

        async def tell(progress: SpoolProgress) -> None:
            await report(progress.rows)

        return await self._parts.port(Sandbox).run(
            WRITER,
            SpoolRequest(str(spool), str(output), columns),
            SpoolResult,
            read=[spool],
            write=[output],
            memory_bytes=int(self._parts.settings.worker_memory),
            timeout_seconds=TIMEOUT_SECONDS,
            on_progress=tell,
            progress_type=SpoolProgress,
        )


class WrittenSnapshot:
    """Parts that wait to be stored."""

    def __init__(
        self,
        parts: Parts,
        folder: Path,
        result: SpoolResult,
        columns: list[dict[str, Any]],
    ) -> None:
        self._blobs = parts.blobs
        self._folder = folder
        self._result = result
        self._columns = columns

    async def keep(self, prefix: str, lineage: dict[str, Any]) -> VersionContents:
        """Make the parts blobs below `prefix`."""
        kept = []
        for part in self._result.parts:
            key = f"{prefix}{part.file}"
            await self._blobs.put(key, self._folder / part.file)
            figures = {"rows": part.rows, "bytes": part.bytes, "sha256": part.sha256}
            kept.append({"key": key, **figures})
        return VersionContents(
            columns=self._columns,
            rows=self._result.rows,
            rejects=0,
            bytes=sum(part.bytes for part in self._result.parts),
            parts=kept,
            source={"kind": "resource", "resource": lineage["resource"]},
            lineage=lineage,
        )


def type_of(column: ResourceColumn) -> ColumnType:
    """The type of a column in a dataset; JSON is a text there."""
    return ColumnType.TEXT if column.kind is Kind.JSON else column.type


def _cell(column: ResourceColumn, value: Any) -> Any:
    if value is None:
        return None
    if column.kind is Kind.JSON:
        return orjson.dumps(value).decode()
    return value if column.to_json is None else column.to_json(value)


def described(description: ResourceDescription, where: str | None) -> dict[str, Any]:
    """What a version's lineage says of a snapshot."""
    found: dict[str, Any] = {"kind": "resource", "resource": description.plural}
    return found if where is None else {**found, "where": where}
