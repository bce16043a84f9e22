"""Where chaos happens: stores, executors and the processes of a site."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.databases import throw_away
from tests.jobs.conftest import Site

LEASE_SECONDS = 1.5
DISK_MIB = 48


@dataclass(frozen=True)
class Executor:
    """How jobs get to workers.

    Attributes:
        command: Starts a server with its workers; killed and started again.
        environment: What it needs beside the variables of `Site`.
        broker: Command of a broker of its own, for executors that have one; then
            the fault `broker` kills it and starts it again.
    """

    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    broker: tuple[str, ...] | None = None


EXECUTORS = {"embedded": Executor((sys.executable, "-m", "tests.jobs.serve"))}
STORES = ("sqlite", "postgresql", "mysql")


@contextmanager
def site_of(store: str, *, is_small: bool) -> Iterator[Site]:
    """An empty database and a folder, on a small disk of its own if wanted."""
    with tempfile.TemporaryDirectory() as name, _disk(Path(name), is_small) as folder:
        if store == "sqlite":
            yield _with_tables(
                Site(f"sqlite+aiosqlite:///{folder / 'jobs.db'}", folder)
            )
            return
        with throw_away(store) as url:
            yield _with_tables(Site(url, folder))


def _with_tables(site: Site) -> Site:
    site.make_tables()
    return site


@contextmanager
def _disk(folder: Path, is_small: bool) -> Iterator[Path]:
    if not is_small:
        yield folder
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "chaos", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def may_mount() -> bool:
    """Whether this process may make a small disk."""
    with tempfile.TemporaryDirectory() as name:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "chaos", name]
        done = subprocess.run(mount, capture_output=True, check=False)
        if done.returncode == 0:
            subprocess.run(["umount", name], check=True)
        return done.returncode == 0


class Processes:
    """Server, submitter and broker of a site; each comes back when it was killed."""

    def __init__(self, site: Site, executor: Executor, seed: int) -> None:
        self._environment = {
            **site.environment,
            **executor.environment,
            "JOBS_TEST_LEASE": str(LEASE_SECONDS),
            "JOBS_TEST_PROCESSES": "2",
            "CHAOS_SEED": str(seed),
        }
        self._commands: dict[str, tuple[str, ...]] = {
            "server": executor.command,
            "submitter": (sys.executable, "-m", "tests.chaos.workload"),
        }
        if executor.broker is not None:
            self._commands["broker"] = executor.broker
        self._log = (site.data_dir.parent / f"{site.data_dir.name}.log").open("ab")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def log_path(self) -> Path:
        return Path(self._log.name)

    def start(self, name: str) -> None:
        self._running[name] = subprocess.Popen(
            self._commands[name],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self, name: str) -> None:
        """End one at once; its children see it or are seen by the next."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._commands)

    def close(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()
        self.log_path.unlink()


async def stop_for_a_while(pid: int, seconds: float) -> None:
    """SIGSTOP a process and let it go on later, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
