"""Blobs as files below one folder: the default store.

A blob appears by a rename on the same file system, so a reader sees all of it or
nothing, whatever is killed when.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from foretell.core.ids import new_id
from foretell.errors import NotFound, OutOfSpace, Unavailable

CHUNK_BYTES = 1024 * 1024
FREE_FRACTION = 0.02


class FileBlobStore:
    """Keeps blobs in `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def put(self, key: str, path: Path) -> None:
        await asyncio.to_thread(self._put, key, path)

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        path = self._path(key)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound("The stored file is missing; restore it from a backup.")
        yield path

    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread(self._path(key).is_file)

    def folder(self, prefix: str) -> Path:
        return self._path(prefix)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        async with self.local(key) as path:
            file = await asyncio.to_thread(path.open, "rb")
            try:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk
            finally:
                await asyncio.to_thread(file.close)

    async def delete(self, prefix: str) -> None:
        await asyncio.to_thread(self._delete, prefix)

    async def check(self) -> None:
        await asyncio.to_thread(self._check)

    def _put(self, key: str, path: Path) -> None:
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.replace(path, target)
        except OSError:
            # Another file system: copy next to the target, then rename.
            beside = target.with_name(f".{new_id()}")
            shutil.copyfile(path, beside)
            os.replace(beside, target)
            path.unlink()

    def _delete(self, prefix: str) -> None:
        path = self._path(prefix.rstrip("/"))
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def _check(self) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            probe = self._root / f".probe-{new_id()}"
            probe.write_bytes(b"x")
            probe.unlink()
            usage = shutil.disk_usage(self._root)
        except OSError as error:
            raise Unavailable("The file store cannot be written.") from error
        if usage.free < usage.total * FREE_FRACTION:
            raise OutOfSpace("The disk of the file store is almost full.")

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root) or path == self._root:
            raise ValueError(f"not a key: {key!r}")
        return path


def open_store(url: str) -> FileBlobStore:
    """Open the store of a `file:///…` URL."""
    return FileBlobStore(Path(url.removeprefix("file://")))
