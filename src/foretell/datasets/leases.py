"""Local files of stored versions, held open between reads.

Looking for a file costs a thread each time, and a page of a version of ten files would
pay it ten times. A blob never changes, so what was found once is kept for the next read.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from foretell.core.blobs import BlobStore
from foretell.errors import NotFound

KEPT = 1_024


@dataclass(slots=True)
class _Lease:
    path: Path
    opened: AbstractAsyncContextManager[Path]
    users: int = 0


class Leases:
    """The files used last; a value for one event loop.

    Args:
        kept: Files that are held while nobody reads them.
    """

    def __init__(self, blobs: BlobStore, kept: int = KEPT) -> None:
        self._blobs = blobs
        self._kept = kept
        self._held: OrderedDict[str, _Lease] = OrderedDict()

    @asynccontextmanager
    async def paths(self, keys: Sequence[str]) -> AsyncIterator[list[Path]]:
        """The local paths of blobs, valid inside the block.

        Raises:
            NotFound: One of them is gone, also when that shows inside the block.
        """
        taken: list[_Lease] = []
        try:
            for key in keys:
                taken.append(await self._take(key))
            yield [lease.path for lease in taken]
        except FileNotFoundError as error:
            for key in keys:
                await self._drop(key)
            raise NotFound(
                "The stored file is missing; restore it from a backup."
            ) from error
        finally:
            for lease in taken:
                lease.users -= 1
            await self._make_room()

    async def _take(self, key: str) -> _Lease:
        lease = self._held.get(key)
        if lease is None:
            opened = self._blobs.local(key)
            lease = _Lease(await opened.__aenter__(), opened)
            other = self._held.setdefault(key, lease)
            if other is not lease:  # it was opened twice at the same time
                await opened.__aexit__(None, None, None)
                lease = other
        self._held.move_to_end(key)
        lease.users += 1
        return lease

    async def _drop(self, key: str) -> None:
        lease = self._held.pop(key, None)
        if lease is not None:
            await lease.opened.__aexit__(None, None, None)

    async def _make_room(self) -> None:
        if len(self._held) <= self._kept:
            return
        unused = [key for key, lease in self._held.items() if not lease.users]
        for key in unused[: len(self._held) - self._kept]:
            await self._drop(key)
