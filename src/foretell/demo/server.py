"""A real server for the demo, as a user would start it, and its worker process."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

from foretell.client import Client
from foretell.client.credentials import read_key_file
from foretell.demo.screen import DemoFailed

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_COMMAND = (sys.executable, "-m", "foretell")
_ADDRESS = re.compile(r"^Foretell \S+ at (http://\S+)", re.MULTILINE)


class DemoServer:
    """`foretell serve` in a process of its own, on a data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.log = folder / "server.log"
        self.password = secrets.token_urlsafe(12)
        self.url = ""
        self._process: subprocess.Popen[Any] | None = None

    def make_admin(self, email: str) -> None:
        """Make the first account, as on any new server."""
        subprocess.run(  # noqa: S603 - our own command, no shell
            [*_COMMAND, "user", "create", email, "--role", "admin", "--json"],
            input=self.password + "\n",
            env=self._environment(),
            cwd=self.folder,
            text=True,
            capture_output=True,
            check=True,
        )

    def start(self) -> float:
        """Start it on a free port; gives the seconds to its first answer."""
        started = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [*_COMMAND, "serve", "--port", "0"],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the demo, which stops it
            )
        while time.monotonic() - started < _START_SECONDS:
            if self._process.poll() is not None:
                break
            if self._answers():
                return time.monotonic() - started
            time.sleep(0.05)
        raise DemoFailed(f"The server did not start:\n{self.log_tail()}")

    def client(self) -> Client:
        """A client with the key that the first account got."""
        return Client(self.url, read_key_file(self.data_dir))

    @property
    def pid(self) -> int:
        """Process id of the server."""
        if self._process is None:
            raise DemoFailed("The server is not running.")
        return self._process.pid

    def kill_worker(self) -> int:
        """Kill a worker process with SIGKILL; gives its process id.

        The server's child is the nursery, of which workers are forked.
        """
        for nursery in _children(self.pid):
            for worker in _children(nursery):
                os.kill(worker, signal.SIGKILL)
                return worker
        raise DemoFailed("The server has no worker.")

    def stop(self) -> float:
        """Ask it to stop; gives the seconds it took."""
        started = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS + 5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return time.monotonic() - started

    def log_tail(self, lines: int = 30) -> str:
        """The end of what the server has written."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _answers(self) -> bool:
        found = _ADDRESS.search(self.log.read_text("utf-8", "replace"))
        if found is None:
            return False
        self.url = found[1]
        try:
            return httpx2.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx2.TransportError:
            return False

    def _environment(self) -> dict[str, str]:
        """Nobody's settings but the demo's."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("FORETELL_")}
        return {**kept, "FORETELL_DATA_DIR": str(self.data_dir)}


def _children(pid: int) -> list[int]:
    done = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = [line.split() for line in done.stdout.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]
