"""The worker of `make bench-jobs`: Foretell's own, with the one task of the peers.

With `JOBS_BENCH_EXECUTOR` an executor brings it the ids over the Redis of the run.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peers.marks import mark
from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.parts import Parts
from foretell.core.plugins import load_plugin
from foretell.jobs.choosing import GROUP
from foretell.jobs.composition import Composition
from foretell.jobs.context import JobContext
from foretell.jobs.ports import Executor
from foretell.jobs.registry import TaskRegistry
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.settings import Settings

tasks = TaskRegistry()


@tasks.task("bench.mark")
def marked(job: JobContext, number: int) -> None:
    mark(number)


def executor() -> Executor | None:
    """What brings ids, with the Redis of the run; none for the embedded engine."""
    name = os.environ.get("JOBS_BENCH_EXECUTOR")
    if not name:
        return None
    made: Executor = load_plugin(GROUP, name)(os.environ["JOBS_BENCH_REDIS"])
    return made


def compose() -> Composition:
    """What worker processes start with."""
    url = os.environ["JOBS_BENCH_URL"]
    data_dir = Path(os.environ["JOBS_BENCH_DIR"])

    @asynccontextmanager
    async def services(database: Database) -> AsyncIterator[Parts]:
        yield Parts(
            settings=Settings(data_dir=data_dir),
            database=database,
            clock=SystemClock(),
            cursors=Cursors(b"k" * 32),
            blobs=FileBlobStore(data_dir),
        )

    return Composition(
        registry=tasks,
        make_database=lambda: Database(url, pool_size=2),
        data_dir=data_dir,
        services=services,
        executor=executor(),
    )
