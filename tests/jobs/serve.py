"""A process with a supervisor and nothing else, for tests that kill a server."""

import asyncio
import os
from pathlib import Path

from foretell.core.db import Database
from foretell.jobs.supervisor import Supervisor


async def main() -> None:
    database = Database(os.environ["JOBS_TEST_URL"])
    supervisor = Supervisor(
        "tests.jobs.work:compose",
        database=database,
        data_dir=Path(os.environ["JOBS_TEST_DIR"]),
    )
    async with supervisor:
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
