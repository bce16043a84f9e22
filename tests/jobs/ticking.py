"""A process that forks schedulers and kills them at random moments.

    python -m tests.jobs.ticking URL BASE SEED

Each scheduler sweeps without pause by a clock that runs `SPEED` times as fast as the
machine's, counted from `BASE`, so that hundreds of ticks take seconds. At SIGTERM it
ends and prints how many it killed.
"""

import asyncio
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime

from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role, scopes_of
from foretell.errors import Unavailable
from foretell.jobs.ports import SilentBell
from foretell.jobs.scheduler import Scheduler
from foretell.jobs.service import JobsService
from tests.jobs import work

SPEED = 20.0
SCHEDULERS = 3
OWNER = Principal("anna", "a@x.org", Role.EDITOR, scopes_of(Role.EDITOR), "job")
_PAUSE_SECONDS = (0.1, 0.8)


class FastClock:
    """Every process that has the same base tells the same time."""

    def __init__(self, base: float) -> None:
        self._base = base

    def now(self) -> datetime:
        seconds = self._base + (time.time() - self._base) * SPEED
        return datetime.fromtimestamp(seconds, UTC)


async def sweep_for_ever(url: str, clock: FastClock) -> None:
    database = Database(url, pool_size=2)

    def jobs_of(session):
        return JobsService(
            session,
            registry=work.registry(),
            clock=clock,
            cursors=Cursors(b"k" * 32),
            bell=SilentBell(),
        )

    async def principal_of(_owner_id: str) -> Principal | None:
        return OWNER

    scheduler = Scheduler(database, clock, jobs_of, principal_of)
    while True:
        try:
            await scheduler.sweep()
        except Unavailable:
            continue
        finally:
            await asyncio.sleep(0.005)


def fork(url: str, clock: FastClock) -> int:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            asyncio.run(sweep_for_ever(url, clock))
        finally:
            os._exit(1)
    return pid


def main() -> None:
    url, base, seed = sys.argv[1:]
    clock, chance = FastClock(float(base)), random.Random(seed)  # noqa: S311
    Database(url)  # imports the driver once, for all; opens nothing
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    killed = 0
    pids = [fork(url, clock) for _ in range(SCHEDULERS)]
    while not told:
        time.sleep(chance.uniform(*_PAUSE_SECONDS))
        pid = pids.pop(chance.randrange(SCHEDULERS))
        os.kill(pid, signal.SIGKILL)
        died = os.waitpid(pid, 0)[1] == signal.SIGKILL
        assert died, "a scheduler ended by itself"
        killed += 1
        pids.append(fork(url, clock))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    print(killed)


if __name__ == "__main__":
    main()
