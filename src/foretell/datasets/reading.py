"""Reads stored versions off the event loop, in two bounded pools.

Pages and counts without a condition touch one row group; scans touch all. They
get threads of their own, so that sixteen scans do not keep a page waiting.
"""

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

from foretell.core.blobs import BlobStore
from foretell.core.columns import Column, ColumnType
from foretell.datasets.contents import PROFILE
from foretell.datasets.ports import (
    Counted,
    Derived,
    FileFormat,
    Grouping,
    Groups,
    Part,
    Position,
    RowFormat,
    RowsPage,
    RowsQuery,
    Table,
    TableEngine,
)
from foretell.datasets.tables import DatasetVersion
from foretell.expressions.own import OwnFunctions
from foretell.expressions.typed import TypedNode

T = TypeVar("T")
LIGHT_THREADS = 8
HEAVY_THREADS = 2
_END = object()


def columns_of(version: DatasetVersion) -> list[Column]:
    """The columns of a version as its manifest names them."""
    return [
        Column(str(c["name"]), ColumnType(c["type"]), bool(c["nullable"]))
        for c in version.columns
    ]


def _profile_key(version: DatasetVersion) -> str | None:
    found = version.parts[0].get(PROFILE) if version.parts else None
    has_all = found is not None and found["parts"] == len(version.parts)
    return str(found["key"]) if found is not None and has_all else None


class DatasetReader:
    """Answers questions about stored versions with a table engine.

    Args:
        load_engine: Imports the engine, which loads a data library; called once, at
            the first read, in a thread.
        functions: Those that extensions add to the language of conditions.
    """

    def __init__(
        self,
        blobs: BlobStore,
        load_engine: Callable[[], TableEngine],
        functions: OwnFunctions,
    ) -> None:
        self.functions = functions
        self._blobs = blobs
        self._load_engine = load_engine
        self._engine: TableEngine | None = None
        self._loading = threading.Lock()
        self._light = CapacityLimiter(LIGHT_THREADS)
        self._heavy = CapacityLimiter(HEAVY_THREADS)

    async def page(
        self,
        version: DatasetVersion,
        query: RowsQuery,
        *,
        limit: int,
        position: Position | None,
        row_format: RowFormat,
        max_cell: int | None = None,
    ) -> RowsPage:
        """One page of rows, encoded."""
        is_heavy = bool(query.where or query.sort)
        async with self._table(version) as table:
            return await self._call(
                lambda engine: engine.page(
                    table,
                    query,
                    limit=limit,
                    position=position,
                    row_format=row_format,
                    max_cell=max_cell,
                ),
                is_heavy=is_heavy,
            )

    async def start_at(self, row: int) -> Position | None:
        return await self._call(lambda engine: engine.start_at(row), is_heavy=False)

    async def seek(
        self, version: DatasetVersion, query: RowsQuery, share: float, *, limit: int
    ) -> Position | None:
        """Where a page starts that has `share` of the rows before it."""
        is_heavy = bool(query.where or query.sort)
        async with self._table(version) as table:
            return await self._call(
                lambda engine: engine.seek(table, query, share, limit=limit),
                is_heavy=is_heavy,
            )

    async def count(
        self,
        version: DatasetVersion,
        where: TypedNode | None,
        derived: Derived | None = None,
    ) -> int:
        """Rows for which `where` is true; all rows without reading any."""
        return (await self.count_within(version, where, derived)).count

    async def count_within(
        self,
        version: DatasetVersion,
        where: TypedNode | None,
        derived: Derived | None = None,
        *,
        seconds: float | None = None,
    ) -> Counted:
        """The same, given up after some seconds with what was found until then."""
        if where is None:
            return Counted(version.rows, is_exact=True)
        async with self._table(version) as table:
            return await self._call(
                lambda engine: engine.count(table, where, derived, seconds=seconds),
                is_heavy=True,
            )

    async def aggregate(
        self, version: DatasetVersion, grouping: Grouping, *, limit: int
    ) -> Groups:
        """Figures of groups of rows."""
        async with self._table(version) as table:
            return await self._call(
                lambda engine: engine.aggregate(table, grouping, limit=limit),
                is_heavy=True,
            )

    async def diff(
        self,
        old: DatasetVersion,
        new: DatasetVersion,
        *,
        key: Sequence[str],
        limit: int,
    ) -> dict[str, Any]:
        """Rows that changed between two versions."""
        async with self._table(old) as before, self._table(new) as after:
            return await self._call(
                lambda engine: engine.diff(before, after, key=key, limit=limit),
                is_heavy=True,
            )

    async def profile(
        self,
        version: DatasetVersion,
        where: TypedNode | None,
        derived: Derived | None = None,
    ) -> dict[str, Any]:
        """Figures of each column; those of all rows are there since the import."""
        key = _profile_key(version)
        if where is None and not derived and key is not None:
            async with self._blobs.local(key) as path:
                kept = await to_thread.run_sync(path.read_bytes, limiter=self._light)
            return dict(json.loads(kept))
        async with self._table(version) as table:
            return await self._call(
                lambda engine: engine.profile(table, where, derived), is_heavy=True
            )

    async def rejects(
        self, version: DatasetVersion, *, after: int, limit: int
    ) -> tuple[bytes, int | None]:
        """A page of rejects as a JSON array, and where the next one starts."""
        if version.rejects_key is None:
            return b"[]", None
        async with self._blobs.local(version.rejects_key) as path:
            return await self._call(
                lambda engine: engine.rejects(path, after=after, limit=limit),
                is_heavy=False,
            )

    async def rejects_file(self, version: DatasetVersion) -> AsyncIterator[bytes]:
        """All rejects as CSV."""
        if version.rejects_key is None:
            return
        async with self._blobs.local(version.rejects_key) as path:
            chunks = await self._call(
                lambda engine: engine.rejects_file(path), is_heavy=False
            )
            async for chunk in self._stream(chunks):
                yield chunk

    async def download(
        self, version: DatasetVersion, query: RowsQuery, file_format: FileFormat
    ) -> AsyncIterator[bytes]:
        """All rows of a query as a file, in chunks."""
        async with self._table(version) as table:
            chunks = await self._call(
                lambda engine: engine.download(table, query, file_format),
                is_heavy=True,
            )
            async for chunk in self._stream(chunks):
                yield chunk

    @asynccontextmanager
    async def _table(self, version: DatasetVersion) -> AsyncIterator[Table]:
        async with AsyncExitStack() as stack:
            parts = []
            for part in version.parts:
                path: Path = await stack.enter_async_context(
                    self._blobs.local(part["key"])
                )
                parts.append(Part(path, part["rows"]))
            yield Table(parts, columns_of(version))

    async def _stream(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            chunk = await to_thread.run_sync(next, chunks, _END, limiter=self._heavy)
            if not isinstance(chunk, bytes):
                return
            yield chunk

    async def _call(self, ask: Callable[[TableEngine], T], *, is_heavy: bool) -> T:
        limiter = self._heavy if is_heavy else self._light
        return await to_thread.run_sync(lambda: ask(self._loaded()), limiter=limiter)

    def _loaded(self) -> TableEngine:
        with self._loading:
            if self._engine is None:
                self._engine = self._load_engine()
            return self._engine
