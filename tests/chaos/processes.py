"""Server and submitter of a site; each comes back when it was killed.

The submitter is forked from a process that has imported what it needs: started from
nothing, it would be killed before it has submitted anything.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.acceptance.processes import command, descendants, is_worker
from tests.chaos.workload import confirmed, submit_in_process
from tests.jobs.conftest import Site

LEASE_SECONDS = 1.5
WORKERS = 2
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.chaos.workload"])


class Processes:
    """The processes of one site, which write to one log."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._seed = seed
        self._environment = {
            **site.environment,
            "JOBS_TEST_LEASE": str(LEASE_SECONDS),
            "JOBS_TEST_PROCESSES": str(WORKERS),
        }
        self._log = (site.data_dir.parent / f"{site.data_dir.name}.log").open("ab")
        self._server: subprocess.Popen[bytes] | None = None
        self._submitter: ForkServerProcess | None = None
        self.frozen: set[int] = set()
        confirmed(site).touch()

    @property
    def log_path(self) -> Path:
        return Path(self._log.name)

    def start_server(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.jobs.serve"],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def kill_server(self) -> None:
        """End it at once; its children see it or are seen by the next."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def start_submitter(self) -> None:
        self._submitter = _FORKS.Process(
            target=submit_in_process, args=(self._site, self._seed, self.log_path)
        )
        self._submitter.start()

    def kill_submitter(self) -> None:
        assert self._submitter is not None
        self._submitter.kill()
        self._submitter.join()
        self._submitter.close()
        self._submitter = None

    def workers(self) -> list[int]:
        """Processes that take jobs, but for frozen ones."""
        found = self._below_server()
        return [pid for pid in found if is_worker(pid) and pid not in self.frozen]

    def nursery(self) -> int | None:
        """The process that workers are forked from."""
        found = self._below_server()
        nurseries = (pid for pid in found if "jobs.nursery" in command(pid))
        return next(nurseries, None)

    def _below_server(self) -> list[int]:
        assert self._server is not None
        return descendants(self._server.pid)

    async def freeze(self, pid: int, seconds: float) -> None:
        """SIGSTOP a process and let it go on later, if it is still there."""
        self.frozen.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(pid, signal.SIGCONT)
        self.frozen.discard(pid)

    def close(self) -> None:
        if self._submitter is not None:
            self.kill_submitter()
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(15)
            except subprocess.TimeoutExpired:
                self.kill_server()
        self._log.close()
        self.log_path.unlink()
