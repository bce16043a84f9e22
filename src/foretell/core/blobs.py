"""The blob store port: immutable files under keys, on disk or in an object store."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol


class BlobStore(Protocol):
    """Keeps files under keys such as `datasets/ID/part-00000.parquet`.

    A blob never changes after `put`; putting other content under a taken key is
    an error of the caller. All calls are safe to repeat.
    """

    async def put(self, key: str, path: Path) -> None:
        """Take over the file at `path` (it may be moved) and make it durable."""
        ...

    def local(self, key: str) -> AbstractAsyncContextManager[Path]:
        """A local path of the blob for reading, valid inside the context."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether there is a blob of that key."""
        ...

    def folder(self, prefix: str) -> Path:
        """The local folder of what `local` gives for keys that start with `prefix/`."""
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The blob's bytes in chunks."""
        ...

    async def delete(self, prefix: str) -> None:
        """Delete every blob whose key starts with `prefix`."""
        ...

    async def check(self) -> None:
        """Raise `Unavailable` or `OutOfSpace` unless blobs can be written now."""
        ...
