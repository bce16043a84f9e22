"""A process with a supervisor and nothing else: `serve` without an API."""

import asyncio
import os
import signal
from pathlib import Path

from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.jobs.carrying import Carrier
from foretell.jobs.supervisor import Supervisor
from tests.jobs.work import executor_of_process, timing_of


async def main() -> None:
    database = Database(os.environ["JOBS_TEST_URL"])
    executor = executor_of_process()
    carrier = None if executor is None else Carrier(executor, database, SystemClock())
    supervisor = Supervisor(
        "tests.jobs.work:compose",
        database=database,
        data_dir=Path(os.environ["JOBS_TEST_DIR"]),
        processes=int(os.environ.get("JOBS_TEST_PROCESSES", "1")),
        timing=timing_of(float(os.environ.get("JOBS_TEST_LEASE", "30"))),
        chores=[] if carrier is None else [carrier.sweep],
    )
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with supervisor:
        await told.wait()
    if carrier is not None:
        carrier.close()
    await database.close()
