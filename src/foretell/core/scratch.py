"""Folders of work in progress that a killed process does not leave behind for ever.

Each folder has a lock file beside it that its process holds. The kernel lets go
of the lock when the process dies, however it dies, so a sweep can tell a folder
in use from one that nobody will ever come back to.
"""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from foretell.core.ids import new_id

_LOCK = ".lock"


@dataclass(slots=True)
class ScratchFolder:
    """One folder in use; `remove` it when its work is done."""

    path: Path
    _lock: int | None

    def remove(self) -> None:
        """Remove the folder and let go of its lock; a second call does nothing."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.with_suffix(_LOCK).unlink(missing_ok=True)
        os.close(lock)


class Scratch:
    """Makes folders below `root`, on the disk of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @asynccontextmanager
    async def folder(self, purpose: str) -> AsyncIterator[Path]:
        """A new empty folder, removed at the end of the block."""
        folder = await asyncio.to_thread(self.make, purpose)
        try:
            yield folder.path
        finally:
            await asyncio.to_thread(folder.remove)

    async def sweep(self) -> int:
        """Remove the folders of dead processes; returns how many there were."""
        return await asyncio.to_thread(self._sweep)

    def make(self, purpose: str) -> ScratchFolder:
        """A new empty folder that lives until it is removed. Blocks."""
        folder = self.root / f"{purpose}-{new_id()}"
        self.root.mkdir(parents=True, exist_ok=True)
        # The lock comes first: a sweep finds folders by their locks.
        lock = os.open(folder.with_suffix(_LOCK), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(mode=0o700)
        return ScratchFolder(folder, lock)

    def _sweep(self) -> int:
        removed = 0
        for path in self.root.glob(f"*{_LOCK}"):
            try:
                lock = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            ScratchFolder(path.with_suffix(""), lock).remove()
            removed += 1
        return removed
