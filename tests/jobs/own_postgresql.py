"""A PostgreSQL of a test's own, which it may stop and start."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pytest

_START_SECONDS = 60.0


class OwnPostgresql:
    """A server on a free port, that does not wait for its disk."""

    def __init__(self) -> None:
        self._programs = _programs()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port: int = listener.getsockname()[1]
        self.url = f"postgresql+asyncpg://root@127.0.0.1:{self._port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OwnPostgresql":
        # It refuses to be root's.
        self._user = "postgres" if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="foretell-pg-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        options = ["--auth", "trust", "--username", "root", "--no-sync"]
        data = ["--pgdata", str(self._folder / "data")]
        subprocess.run(
            [self._programs / "initdb", *data, *options],
            user=self._user,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        settings = [
            f"port={self._port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self._folder}",
            "fsync=off",
        ]
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        for setting in settings:
            command += ["-c", setting]
        self._process = subprocess.Popen(
            command,
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ready = [
            str(self._programs / "pg_isready"),
            "--quiet",
            "--port",
            str(self._port),
        ]
        until = time.monotonic() + _START_SECONDS
        while subprocess.run([*ready, "--host", "127.0.0.1"], check=False).returncode:
            assert time.monotonic() < until, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as an operator does, connections included."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)  # its "fast" shutdown
            self._process.wait(60)
            self._process = None


def _programs() -> Path:
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("PostgreSQL's programs are not installed")
    return folders[-1]
