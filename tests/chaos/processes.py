"""Server and submitter of a site; each comes back when it was killed."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.acceptance.processes import command, descendants, is_worker
from tests.jobs.conftest import Site

LEASE_SECONDS = 1.5
WORKERS = 2
_MODULES = {"server": "tests.jobs.serve", "submitter": "tests.chaos.workload"}


class Processes:
    """The processes of one site, which write to one log."""

    def __init__(self, site: Site, seed: int) -> None:
        self._environment = {
            **site.environment,
            "JOBS_TEST_LEASE": str(LEASE_SECONDS),
            "JOBS_TEST_PROCESSES": str(WORKERS),
            "CHAOS_SEED": str(seed),
        }
        self._log = (site.data_dir.parent / f"{site.data_dir.name}.log").open("ab")
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.frozen: set[int] = set()

    @property
    def log_path(self) -> Path:
        return Path(self._log.name)

    def start(self, name: str) -> None:
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", _MODULES[name]],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self, name: str) -> None:
        """End one at once; its children see it or are seen by the next."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def workers(self) -> list[int]:
        """Processes that take jobs, but for frozen ones."""
        found = descendants(self._running["server"].pid)
        return [pid for pid in found if is_worker(pid) and pid not in self.frozen]

    def nursery(self) -> int | None:
        """The process that workers are forked from."""
        found = descendants(self._running["server"].pid)
        nurseries = (pid for pid in found if "jobs.nursery" in command(pid))
        return next(nurseries, None)

    async def freeze(self, pid: int, seconds: float) -> None:
        """SIGSTOP a process and let it go on later, if it is still there."""
        self.frozen.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(pid, signal.SIGCONT)
        self.frozen.discard(pid)

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
