"""Filters that find a value in a column that a version is not sorted by.

The first question for such a value looks at every row. After it each part gets a small
file beside it (`tabular.key_filters`), made by a reader; from then on a question for one
value decodes one row group or two. Parts that versions share, as after an append, share
them. Nothing depends on such a file: without it the answer takes longer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256

from foretell.core.blobs import BlobStore
from foretell.core.logs import get_logger
from foretell.core.scratch import Scratch
from foretell.datasets.heavy import HeavyReaders
from foretell.datasets.ports import Part
from foretell.errors import ForetellError, NotFound

log = get_logger(__name__)

_KNOWN = 16_384
_CALLER = "key filters"


class KeyFilters:
    """Finds and makes the filters of parts; a value for one event loop.

    Args:
        scratch: Where a filter stands until it is stored.
        heavy: Makes them.
    """

    def __init__(self, blobs: BlobStore, scratch: Scratch, heavy: HeavyReaders) -> None:
        self._blobs = blobs
        self._scratch = scratch
        self._heavy = heavy
        # Whether there is one; of those that this process has looked for.
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._making: dict[str, asyncio.Task[None]] = {}

    def known(self, part_key: str, columns: Sequence[str], kind: str) -> dict[str, str]:
        """Blob keys of the filters of a part that this process knows of, by column."""
        keys = {column: _key(part_key, column, kind) for column in columns}
        return {c: key for c, key in keys.items() if self._known.get(key)}

    async def look(
        self, part_keys: Sequence[str], columns: Sequence[str], kind: str
    ) -> bool:
        """Look for filters that were made before; whether there are new ones."""
        keys = [_key(p, column, kind) for p in part_keys for column in columns]
        unknown = [key for key in keys if key not in self._known]
        for key in unknown:
            await self._look(key)
        return any(self._known.get(key) for key in unknown)

    def make_later(
        self, parts: Sequence[tuple[str, Part]], columns: Sequence[str], kind: str
    ) -> None:
        """Make the filters that are missing, one after the other, in a reader."""
        wanted = {
            _key(part_key, column, kind): (part_key, part, column)
            for part_key, part in parts
            for column in columns
        }
        missing = {
            key: what
            for key, what in wanted.items()
            if not self._known.get(key) and key not in self._making
        }
        if not missing:
            return
        task = asyncio.create_task(self._make_all(missing))
        self._making |= dict.fromkeys(missing, task)

    async def made(self) -> None:
        """Wait until everything that was asked for is made."""
        while self._making:
            await asyncio.wait(set(self._making.values()))

    async def _make_all(self, missing: dict[str, tuple[str, Part, str]]) -> None:
        try:
            for key, (part_key, part, column) in missing.items():
                await self._make(key, part_key, part, column)
        except (ForetellError, OSError) as error:
            # Whoever asks next will ask for it again.
            log.warning("dataset.key_filter_failed", error=type(error).__name__)
        finally:
            for key in missing:
                self._making.pop(key, None)

    async def _make(self, key: str, part_key: str, part: Part, column: str) -> None:
        data = await self._heavy.ask(_CALLER, "key_filter", part, column)
        async with self._scratch.folder("keys") as folder:
            path = folder / "filter"
            await asyncio.to_thread(path.write_bytes, data)
            async with self._blobs.local(part_key):  # it may be deleted by now
                await self._blobs.put(key, path)
        self._note(key, is_there=True)

    async def _look(self, key: str) -> None:
        try:
            async with self._blobs.local(key):
                self._note(key, is_there=True)
        except NotFound:
            self._note(key, is_there=False)

    def _note(self, key: str, *, is_there: bool) -> None:
        self._known[key] = is_there
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)


def _key(part_key: str, column: str, kind: str) -> str:
    return f"{part_key}.{sha256(column.encode()).hexdigest()[:16]}.{kind}"
