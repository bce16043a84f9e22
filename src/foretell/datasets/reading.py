"""Reads stored versions off the event loop, each question in the lane that fits it.

The light lane is threads of this process: a page that is answered by a few row groups,
wherever it stands. The heavy lane is processes of their own (`heavy.py`): whatever looks
at every row. The engine says which one it is while it plans, so a condition or an order
that the file's own statistics answer stays light.
"""

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

from foretell.core.blobs import BlobStore
from foretell.core.columns import Column, ColumnType
from foretell.datasets.contents import PROFILE
from foretell.datasets.heavy import HeavyReaders
from foretell.datasets.key_filters import KeyFilters
from foretell.datasets.leases import Leases
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
DOWNLOAD_THREADS = 2
LIGHT_GROUPS = 8
"""Row groups that one question in a thread of this process may decode."""
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

    Each takes the `caller` whose question it is: in the heavy lane callers take turns.

    Args:
        load_engine: Imports the engine, which loads a data library; called once, at
            the first read, in a thread.
        functions: Those that extensions add to the language of conditions.
        heavy: Answers what looks at every row.
        filters: Finds single values in columns that are not sorted.
    """

    def __init__(
        self,
        blobs: BlobStore,
        load_engine: Callable[[], TableEngine],
        functions: OwnFunctions,
        heavy: HeavyReaders,
        filters: KeyFilters,
    ) -> None:
        self.functions = functions
        self._leases = Leases(blobs)
        self._load_engine = load_engine
        self._engine: TableEngine | None = None
        self._loading = threading.Lock()
        self._heavy = heavy
        self._filters = filters
        self._light = CapacityLimiter(LIGHT_THREADS)
        self._downloads = CapacityLimiter(DOWNLOAD_THREADS)

    async def page(
        self,
        version: DatasetVersion,
        query: RowsQuery,
        *,
        limit: int,
        position: Position | None,
        row_format: RowFormat,
        max_cell: int | None = None,
        caller: str = "",
    ) -> RowsPage:
        """One page of rows, encoded."""
        wanted: dict[str, Any] = {
            "limit": limit,
            "position": position,
            "row_format": row_format,
            "max_cell": max_cell,
        }
        found = await self._light_page(version, query, wanted)
        columns = self._filter_columns(query.where) if found is None else []
        if columns and await self._filters.look(_keys(version), columns, self._kind):
            found = await self._light_page(version, query, wanted)
        if found is not None:
            return found
        async with self._table(version, columns) as table:
            page: RowsPage = await self._heavy.ask(
                caller, "page", table, query, **wanted
            )
            self._make_filters(version, table, columns)
            return page

    async def _light_page(
        self, version: DatasetVersion, query: RowsQuery, wanted: dict[str, Any]
    ) -> RowsPage | None:
        async with self._table(version, self._filter_columns(query.where)) as table:
            return await self._call(
                lambda engine: engine.page(
                    table, query, **wanted, most_groups=LIGHT_GROUPS
                )
            )

    def _filter_columns(self, where: TypedNode | None) -> Sequence[str]:
        if where is None or self._engine is None:
            return []
        return self._engine.filter_columns(where)

    @property
    def _kind(self) -> str:
        return "" if self._engine is None else self._engine.filter_kind

    def _make_filters(
        self, version: DatasetVersion, table: Table, columns: Sequence[str]
    ) -> None:
        if columns:
            keyed = list(zip(_keys(version), table.parts, strict=True))
            self._filters.make_later(keyed, columns, self._kind)

    async def start_at(self, row: int) -> Position | None:
        if self._engine is not None:
            return self._engine.start_at(row)
        return await self._call(lambda engine: engine.start_at(row))

    async def seek(
        self,
        version: DatasetVersion,
        query: RowsQuery,
        share: float,
        *,
        limit: int,
        caller: str = "",
    ) -> Position | None:
        """Where a page starts that has `share` of the rows before it."""
        async with self._table(version) as table:
            if not query.where and not query.sort:
                return await self._call(
                    lambda engine: engine.seek(table, query, share, limit=limit)
                )
            found: Position | None = await self._heavy.ask(
                caller, "seek", table, query, share, limit=limit
            )
            return found

    async def count(
        self,
        version: DatasetVersion,
        where: TypedNode | None,
        derived: Derived | None = None,
        *,
        seconds: float | None = None,
        caller: str = "",
    ) -> Counted:
        """Rows for which `where` is true; all rows without reading any.

        Args:
            seconds: Time after which it gives up with what was found until then.
        """
        if where is None:
            return Counted(version.rows, is_exact=True)
        async with self._table(version) as table:
            found = await self._call(
                lambda engine: engine.count(
                    table, where, derived, seconds=seconds, most_groups=LIGHT_GROUPS
                )
            )
            if found is None:
                found = await self._heavy.ask(
                    caller, "count", table, where, _plain(derived), seconds=seconds
                )
            return found

    async def aggregate(
        self,
        version: DatasetVersion,
        grouping: Grouping,
        *,
        limit: int,
        caller: str = "",
    ) -> Groups:
        """Figures of groups."""
        async with self._table(version) as table:
            found: Groups = await self._heavy.ask(
                caller, "aggregate", table, grouping, limit=limit
            )
            return found

    async def diff(
        self,
        old: DatasetVersion,
        new: DatasetVersion,
        *,
        key: Sequence[str],
        limit: int,
        caller: str = "",
    ) -> dict[str, Any]:
        """Rows that changed between two versions."""
        async with self._table(old) as before, self._table(new) as after:
            found: dict[str, Any] = await self._heavy.ask(
                caller, "diff", before, after, key=list(key), limit=limit
            )
            return found

    async def profile(
        self,
        version: DatasetVersion,
        where: TypedNode | None,
        derived: Derived | None = None,
        *,
        caller: str = "",
    ) -> dict[str, Any]:
        """Figures of each column; those of all rows are there since the import."""
        key = _profile_key(version)
        if where is None and not derived and key is not None:
            async with self._leases.paths([key]) as (path,):
                kept = await to_thread.run_sync(path.read_bytes, limiter=self._light)
            return dict(json.loads(kept))
        async with self._table(version) as table:
            found: dict[str, Any] = await self._heavy.ask(
                caller, "profile", table, where, _plain(derived)
            )
            return found

    async def rejects(
        self, version: DatasetVersion, *, after: int, limit: int
    ) -> tuple[bytes, int | None]:
        """A page of rejects as a JSON array, and where the next one starts."""
        if version.rejects_key is None:
            return b"[]", None
        async with self._leases.paths([version.rejects_key]) as (path,):
            return await self._call(
                lambda engine: engine.rejects(path, after=after, limit=limit)
            )

    async def rejects_file(self, version: DatasetVersion) -> AsyncIterator[bytes]:
        """All rejects as CSV."""
        if version.rejects_key is None:
            return
        async with self._leases.paths([version.rejects_key]) as (path,):
            chunks = await self._call(lambda engine: engine.rejects_file(path))
            async for chunk in self._stream(chunks):
                yield chunk

    async def download(
        self, version: DatasetVersion, query: RowsQuery, file_format: FileFormat
    ) -> AsyncIterator[bytes]:
        """All rows of a query as a file, in chunks of bounded memory."""
        async with self._table(version) as table:
            chunks = await self._call(
                lambda engine: engine.download(table, query, file_format)
            )
            async for chunk in self._stream(chunks):
                yield chunk

    @asynccontextmanager
    async def _table(
        self, version: DatasetVersion, columns: Sequence[str] = ()
    ) -> AsyncIterator[Table]:
        """The files of a version, with the filters that are known of some columns."""
        known = {
            key: self._filters.known(key, columns, self._kind) if columns else {}
            for key in _keys(version)
        }
        wanted = [key for at, more in known.items() for key in (at, *more.values())]
        async with self._leases.paths(wanted) as paths:
            at = dict(zip(wanted, paths, strict=True))
            parts = [
                Part(
                    at[part["key"]],
                    part["rows"],
                    {name: at[key] for name, key in known[part["key"]].items()},
                )
                for part in version.parts
            ]
            yield Table(parts, columns_of(version))

    async def _stream(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            chunk = await to_thread.run_sync(
                next, chunks, _END, limiter=self._downloads
            )
            if not isinstance(chunk, bytes):
                return
            yield chunk

    async def _call(self, ask: Callable[[TableEngine], T]) -> T:
        return await to_thread.run_sync(
            lambda: ask(self._loaded()), limiter=self._light
        )

    def _loaded(self) -> TableEngine:
        with self._loading:
            if self._engine is None:
                self._engine = self._load_engine()
            return self._engine


def _keys(version: DatasetVersion) -> list[str]:
    return [part["key"] for part in version.parts]


def _plain(derived: Derived | None) -> dict[str, TypedNode] | None:
    return None if derived is None else dict(derived)
