"""How long jobs wait after one death, with nothing else going on.

Among random faults one delays the other; here each death is alone, so that the
figures are those of the mechanism on this machine.
"""

import asyncio
import os
import signal
import time

from foretell.jobs.tables import Job
from tests.chaos.faults import pid_of
from tests.chaos.processes import WORKERS, Processes
from tests.jobs.conftest import Office, Site, eventually

_LONG_SECONDS = 600.0
_PATIENCE_SECONDS = 180.0  # on a busy machine; a figure that is bad is one too
_REFUSED = "another worker has this job now"


class Reactions:
    """Deaths, one after the other, and how long each took to repair; seconds."""

    def __init__(self, site: Site, office: Office, processes: Processes) -> None:
        self._site = site
        self._office = office
        self._processes = processes
        self.after_worker: list[float] = []
        self.after_server: list[float] = []
        self.cancels: list[float] = []

    async def worker_dies(self) -> None:
        job_id = await self._office.submit("test.effect", seconds=_LONG_SECONDS)
        job = await self._running(job_id)
        os.kill(pid_of(job), signal.SIGKILL)
        self.after_worker.append(await self._rerun(job, time.time()))
        self.cancels.append(await self._cancel(job_id))
        await self._ready()

    async def server_dies(self) -> None:
        """With everything below it; the next one is started at once."""
        job_id = await self._office.submit("test.effect", seconds=_LONG_SECONDS)
        job = await self._running(job_id)
        self._processes.kill_server()
        died = time.time()
        self._processes.start_server()
        self.after_server.append(await self._rerun(job, died))
        self.cancels.append(await self._cancel(job_id))
        await self._ready()

    async def cancel(self) -> None:
        """Stop a busy Python loop."""
        job_id = await self._office.submit("test.spin")
        await self._running(job_id)
        self.cancels.append(await self._cancel(job_id))

    async def zombie_wakes(self) -> None:
        """A worker sleeps beyond its lease, another ends its job, it wakes: whatever it
        completes then is refused."""
        job_id = await self._office.submit("test.effect", seconds=0.5)
        job = await self._running(job_id)
        os.kill(pid_of(job), signal.SIGSTOP)
        try:
            await self._office.until_state(job_id, "succeeded", _PATIENCE_SECONDS)
        finally:
            os.kill(pid_of(job), signal.SIGCONT)

        async def is_refused() -> bool:
            return _REFUSED in await asyncio.to_thread(self._office.log, job_id)

        await eventually(is_refused, _PATIENCE_SECONDS)

    async def _ready(self) -> None:
        await eventually(lambda: self._site.has_workers(WORKERS), _PATIENCE_SECONDS)

    async def _running(self, job_id: str) -> Job:
        return await self._office.until_state(job_id, "running", _PATIENCE_SECONDS)

    async def _rerun(self, job: Job, died: float) -> float:
        again = await self._office.until(
            job.id,
            lambda now: now.token > job.token and now.state == "running",
            _PATIENCE_SECONDS,
        )
        assert again.started_at is not None
        return again.started_at.timestamp() - died

    async def _cancel(self, job_id: str) -> float:
        began = time.monotonic()
        await self._office.cancel(job_id)
        await self._office.until_state(job_id, "cancelled")
        return time.monotonic() - began
