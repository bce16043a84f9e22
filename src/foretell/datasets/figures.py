"""Figures of immutable versions, computed once.

A profile of millions of rows takes seconds, and the same one is asked for by everybody
who opens the dataset. A version never changes, so an answer to the same question about
it never does either; who may ask is decided before. Questions that call a function of
an extension are computed each time: its code may change while its name stays.
"""

import re
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version as installed
from typing import Any, TypeVar

import orjson

from foretell.core.cache import Cache
from foretell.datasets.aggregation import grouping
from foretell.datasets.ports import Counted, Groups
from foretell.datasets.query import Selection
from foretell.datasets.reading import DatasetReader, columns_of
from foretell.datasets.tables import DatasetVersion

T = TypeVar("T")
# What is quicker than this is not worth a place, or a question to another machine.
WORTH_SECONDS = 0.01
_WORD = re.compile(r"\w+")
_BREAK = "\x1f"


class Figures:
    """Counts, groups and profiles of versions.

    Each takes the `caller` whose question it is: where it is computed, callers take turns.
    """

    def __init__(self, reader: DatasetReader, cache: Cache) -> None:
        self._reader = reader
        self._cache = cache
        # Another release may compute another answer.
        self._release = installed("foretell")

    async def count(
        self,
        version: DatasetVersion,
        where: str | None,
        *,
        seconds: float,
        caller: str = "",
    ) -> Counted:
        """Rows for which `where` is true; at least so many where time ran out."""
        asked = self._selection(version, where)

        async def compute() -> Counted:
            return await self._reader.count(
                version, asked.where, seconds=seconds, caller=caller
            )

        key = self._key("count", version, where)
        return await self._once(
            key,
            compute,
            # What was cut short is no answer to somebody with more time.
            dump=lambda found: b"%d" % found.count if found.is_exact else None,
            load=lambda kept: Counted(int(kept), is_exact=True),
        )

    async def aggregate(
        self,
        version: DatasetVersion,
        *,
        by: str | None,
        measures: str,
        where: str | None,
        sort: str | None,
        limit: int,
        caller: str = "",
    ) -> Groups:
        """The first groups and how many there are."""
        wanted = grouping(
            columns_of(version),
            self._reader.functions,
            by=by,
            measures=measures,
            where=where,
            sort=sort,
        )

        async def compute() -> Groups:
            return await self._reader.aggregate(
                version, wanted, limit=limit, caller=caller
            )

        key = self._key("groups", version, by, measures, where, sort, str(limit))
        return await self._once(
            key,
            compute,
            dump=lambda found: b"%d\n%b" % (found.count, found.body),
            load=_groups,
        )

    async def profile(
        self, version: DatasetVersion, where: str | None, *, caller: str = ""
    ) -> dict[str, Any]:
        """Figures of each column, as JSON has them."""
        asked = self._selection(version, where)

        async def compute() -> dict[str, Any]:
            return await self._reader.profile(version, asked.where, caller=caller)

        key = self._key("profile", version, where)
        return await self._once(key, compute, dump=_json, load=orjson.loads)

    def _selection(self, version: DatasetVersion, where: str | None) -> Selection:
        functions = self._reader.functions
        return Selection.of(columns_of(version), where, functions=functions)

    def _key(
        self, kind: str, version: DatasetVersion, *texts: str | None
    ) -> str | None:
        """All that the answer depends on; `None` where nobody can name it."""
        words = {word for text in texts if text for word in _WORD.findall(text)}
        if not words.isdisjoint(self._reader.functions):
            return None
        named = ["-" if text is None else f"={text}" for text in texts]
        return _BREAK.join([self._release, kind, version.id, *named])

    async def _once(
        self,
        key: str | None,
        compute: Callable[[], Awaitable[T]],
        *,
        dump: Callable[[T], bytes | None],
        load: Callable[[bytes], T],
    ) -> T:
        if key is None:
            return await compute()
        kept = await self._cache.get(key)
        if kept is not None:
            return load(kept)
        started = time.perf_counter()
        found = await compute()
        if time.perf_counter() - started >= WORTH_SECONDS:
            value = dump(found)
            if value is not None:
                await self._cache.put(key, value)
        return found


def _groups(kept: bytes) -> Groups:
    count, _, body = kept.partition(b"\n")
    return Groups(body, int(count))


def _json(found: dict[str, Any]) -> bytes | None:
    try:
        return orjson.dumps(found)
    except TypeError:  # a whole number of more than 64 bits
        return None
