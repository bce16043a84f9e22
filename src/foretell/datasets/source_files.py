"""Source files: what was uploaded, kept as it came, once for each content.

A file stays while a version that was made of it does. One that made no version, or
whose versions were deleted, stays as long as ended jobs are kept, so that a failed
import can be looked at and tried again.
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from foretell.core.blobs import BlobStore
from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.datasets.contents import SourceFile
from foretell.datasets.source_store import SourceStore
from foretell.errors import Unavailable
from foretell.jobs.store import JobStore

IMPORT_TASK = "datasets.import"
_AT_ONCE = 100
_PAUSE_SECONDS = 0.05
log = get_logger(__name__)


def key_of(sha256: str) -> str:
    """The blob of the content with that SHA-256 (64 hexadecimal digits)."""
    return f"sources/{sha256[:2]}/{sha256}"


async def keep(
    blobs: BlobStore, path: Path, sha256: str, size: int, name: str
) -> SourceFile:
    """Take over an uploaded file; `claim` it in the transaction that uses it."""
    key = key_of(sha256)
    await blobs.put(key, path)
    return SourceFile(key=key, filename=name, bytes=size, sha256=sha256)


async def claim(
    store: SourceStore, blobs: BlobStore, source: SourceFile, now: datetime
) -> None:
    """Note that a file is used now.

    Raises:
        Unavailable: It was removed in the moment it came again; nothing was started.
    """
    await store.use(source.sha256, now)
    # From here on `SourceFiles.forget` waits for this transaction, or has ended.
    if not await blobs.exists(source.key):
        raise Unavailable("The stored file was just removed; send it again.")


class SourceFiles:
    """Removes source files that nothing needs any more.

    Args:
        days: For how long those without a version are kept; 0: for ever.
    """

    def __init__(
        self, database: Database, clock: Clock, blobs: BlobStore, days: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._blobs = blobs
        self._days = days

    async def forget(self) -> int:
        """Remove those that nobody has used for so long; answers how many.

        Each in a transaction of its own, which holds the file's row while its blob
        goes: an upload of the same content waits, and then brings it anew.
        """
        if not self._days:
            return 0
        before = self._clock.now() - timedelta(days=self._days)
        forgotten, after = 0, ""
        if await self._are_awaited(before):
            return 0
        while found := await self._some(before, after):
            for sha256 in found:
                forgotten += await self._forget(sha256, before)
            after = found[-1]
            await asyncio.sleep(_PAUSE_SECONDS)
        if forgotten:
            log.info("datasets.sources_forgotten", count=forgotten)
        return forgotten

    async def _are_awaited(self, before: datetime) -> bool:
        """Whether an import of so long ago has not run, as in a queue that pauses."""
        async with self._database.reading() as session:
            return await JobStore(session, self._clock).is_any_unfinished(
                IMPORT_TASK, before
            )

    async def _some(self, before: datetime, after: str) -> list[str]:
        async with self._database.reading() as session:
            return await SourceStore(session).unneeded(before, after, _AT_ONCE)

    async def _forget(self, sha256: str, before: datetime) -> bool:
        async with self._database.writing() as session:
            is_forgotten = await SourceStore(session).remove(sha256, before)
            if is_forgotten:
                await self._blobs.delete(key_of(sha256))
        return is_forgotten
