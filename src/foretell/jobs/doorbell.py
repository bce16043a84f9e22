"""Wake-ups between processes of one host: a datagram that says "look now".

They carry no truth. A lost one costs at most the poll interval, so sending never
waits: a full or absent socket is skipped. Workers listen on `worker-*.sock`,
servers (for event streams and `Prefer: wait`) on `server-*.sock`.
"""

import asyncio
import hashlib
import os
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from foretell.jobs.ports import Audience, Waiting

_LONGEST_ADDRESS = 100  # sun_path holds 104 bytes on macOS, 108 on Linux
_LISTING_SECONDS = 0.5


def socket_folder(data_dir: Path) -> Path | None:
    """The folder of the sockets, made if needed: in DATA_DIR, or in the temporary
    folder when that path is too long for an address. `None` means: poll."""
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    inside = data_dir.resolve() / "run"
    outside = Path(tempfile.gettempdir()) / f"foretell-{os.getuid()}-{name}"
    folder = inside if _fits(inside) else outside
    if not _fits(folder):
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    # Somebody else may have made the folder first in a shared temporary folder.
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return folder if is_ours else None


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / "worker-4194304-00.sock")) <= _LONGEST_ADDRESS


class Doorbell:
    """Rings at every socket of one audience."""

    def __init__(self, folder: Path | None, audience: Audience) -> None:
        self._folder = folder
        self._prefix = f"{audience}-"
        self._opened: socket.socket | None = None
        self._addresses: set[str] = set()
        self._listed = float("-inf")
        self._changed = -1

    def ring(self, *_jobs: Waiting) -> None:
        if self._folder is None:
            return
        for address in self._current():
            try:
                self._socket().sendto(b"!", address)
            except BlockingIOError:
                continue  # a full socket has a wake-up waiting already
            except OSError:
                self._addresses.discard(address)

    def _current(self) -> list[str]:
        now = time.monotonic()
        try:
            changed = os.stat(self._folder or "").st_mtime_ns
        except OSError:
            changed = -1
        # The folder's time tells of new sockets, but not in finer steps than the
        # clock of the file system.
        if changed != self._changed or now - self._listed > _LISTING_SECONDS:
            self._listed, self._changed = now, changed
            with suppress(OSError), os.scandir(self._folder) as entries:
                found = [e.path for e in entries if e.name.startswith(self._prefix)]
                self._addresses = set(found)
        return list(self._addresses)

    def _socket(self) -> socket.socket:
        # At the first ring: an application that is composed and never served, such as
        # one whose document is printed, has nothing to close.
        if self._opened is None:
            self._opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._opened.setblocking(False)
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()


class Listener:
    """One process's ear; `on_ring` runs on the loop that opened it."""

    def __init__(
        self, folder: Path | None, audience: Audience, on_ring: Callable[[], None]
    ) -> None:
        self._on_ring = on_ring
        self._path: Path | None = None
        self._socket: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        if folder is not None:
            # Two in one process (tests, mounted apps) need two names.
            self._path = folder / f"{audience}-{os.getpid()}-{id(self) % 97:02d}.sock"
            self._open(self._path)

    def _open(self, path: Path) -> None:
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.setblocking(False)
        try:
            path.unlink(missing_ok=True)
            ear.bind(os.fspath(path))
        except OSError:
            ear.close()
            self._path = None
            return
        self._socket = ear
        self._loop.add_reader(ear.fileno(), self._heard, ear)

    def _heard(self, ear: socket.socket) -> None:
        with suppress(OSError):
            while ear.recv(16):
                pass
        self._on_ring()

    def close(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def sweep_sockets(folder: Path | None) -> None:
    """Remove sockets of processes that were killed."""
    if folder is None:
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with probe:
        probe.setblocking(False)
        for path in folder.glob("*.sock"):
            try:
                probe.connect(os.fspath(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue
