"""`make bench-jobs`: our jobs beside raw Celery, RQ and Dramatiq, in one run.

Everything is on this machine, one worker process each, a job that only notes its
moment. Celery runs as safely as it can (acks_late, reject_on_worker_lost, prefetch
1, prefork) on a Redis started for the run. `enq/s` of ours is a transaction for each
job, which also begins and commits; `shared/s` adds a hundred, one by one, to the
transaction of a caller; `bulk/s` hands over a hundred at once. `sqlite` and
`postgresql` are the embedded engine; `sqlite+celery` is ours with ids brought by
Celery over a Redis of the same kind. The machine decides the rates; ratios of one
run are what can be trusted.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.databases import throw_away

from benchmarks.embedded_jobs import tasks
from benchmarks.peers import measuring
from benchmarks.peers.marks import VARIABLE, Marks
from benchmarks.peers.measuring import Figures
from benchmarks.processes import free_port
from foretell.core import schema
from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.plugins import load_plugin
from foretell.jobs.carrying import Carrier
from foretell.jobs.choosing import GROUP
from foretell.jobs.doorbell import Doorbell, socket_folder
from foretell.jobs.service import JobsService
from foretell.jobs.supervisor import Supervisor

ROOT = Path(__file__).parents[1]
_COMPARED = (
    ("enqueue", "enqueue"),
    ("shared", "enqueue"),
    ("bulk", "enqueue"),
    ("jobs", "jobs"),
    ("cpu_us", "cpu_us"),
    ("p50_ms", "p50_ms"),
)
PEERS = ("celery", "rq", "dramatiq")
ENGINES = "celery,sqlite,sqlite+celery,postgresql,postgresql+celery,rq,dramatiq"
_SHARED = 100  # jobs that one caller's transaction holds


class Own:
    """One run of our own engine on a fresh database.

    Args:
        executor: What brings ids to the worker; the doorbell when empty.
        redis: Its broker.
    """

    def __init__(self, url: str, folder: Path, executor: str, redis: str) -> None:
        self.database = Database(url)
        self.folder = folder
        self.carrier = None
        if executor:
            made = load_plugin(GROUP, executor)(redis)
            self.carrier = Carrier(made, self.database, SystemClock())
        self.bell = self.carrier or Doorbell(socket_folder(folder), "worker")
        # As a server has them: made once.
        self.parts: dict[str, Any] = {
            "registry": tasks,
            "clock": SystemClock(),
            "cursors": Cursors(b"k" * 32),
        }
        self.marks = Marks(folder / "marks")
        self.environment = {
            **os.environ,
            "JOBS_BENCH_URL": url,
            "JOBS_BENCH_DIR": str(folder),
            "JOBS_BENCH_EXECUTOR": executor,
            "JOBS_BENCH_REDIS": redis,
            VARIABLE: str(folder / "marks"),
        }

    async def send(self, *numbers: int, is_many: bool = False) -> None:
        """Enqueue jobs in one transaction."""
        async with self.database.writing() as session:
            jobs = JobsService(session, bell=self.bell, **self.parts)
            if is_many:
                many = [{"number": number} for number in numbers]
                await jobs.submit_many("bench.mark", many, owner_id=None)
                return
            for number in numbers:
                await jobs.submit("bench.mark", {"number": number}, owner_id=None)

    async def measure(self, jobs: int, samples: int) -> Figures:
        await schema.upgrade(self.database)
        await self.send(-1)
        enqueue = {
            "enqueue": await self._enqueue(jobs, 1),
            "shared": await self._enqueue(jobs, _SHARED),
            "bulk": await self._enqueue(jobs, _SHARED, is_many=True),
        }
        total = 3 * jobs + 1
        async with Supervisor(
            "benchmarks.embedded_jobs:compose",
            database=self.database,
            data_dir=self.folder,
            environment=self.environment,
            chores=[self.carrier.sweep] if self.carrier else [],
        ):
            await self._until(1)
            before = measuring.tree_cpu_seconds(os.getpid())
            seen = self.marks.count()
            await self._until(total)
            spent = measuring.tree_cpu_seconds(os.getpid()) - before
            rate = measuring.throughput(self.marks)
            idle = [await self._dispatch(total + n) for n in range(samples)]
        self.bell.close()
        await self.database.close()
        cpu = spent / (total - seen)
        return measuring.figures(0.0, rate, cpu, idle) | enqueue

    async def _enqueue(self, jobs: int, chunk: int, *, is_many: bool = False) -> float:
        """Jobs a second when so many share a transaction."""
        began = time.monotonic()
        for first in range(0, jobs, chunk):
            await self.send(*range(first, first + chunk), is_many=is_many)
        return jobs / (time.monotonic() - began)

    async def _dispatch(self, number: int) -> float:
        await asyncio.sleep(measuring.pause())
        called = time.monotonic()
        await self.send(number)
        await self._until(number + 1)
        return self.marks.read()[-1][1] - called

    async def _until(self, count: int) -> None:
        if not await asyncio.to_thread(self.marks.wait, count, 300):
            raise TimeoutError(f"{self.marks.count()} of {count} jobs ran")


def own(engine: str, redis: str, jobs: int, samples: int) -> Figures:
    """Measure `store` or `store+executor`."""
    kind, _, executor = engine.partition("+")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        url = f"sqlite+aiosqlite:///{folder / 'jobs.db'}"
        if kind != "sqlite":
            url = stack.enter_context(throw_away(kind))
        return asyncio.run(Own(url, folder, executor, redis).measure(jobs, samples))


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of this run alone, with its log of writes as Celery's users run it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "yes", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(10)


def peer(engine: str, python: str, redis: str, jobs: int, samples: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "JOBS_BENCH_REDIS": redis,
            VARIABLE: str(Path(folder) / "marks"),
            "PYTHONPATH": str(ROOT),
        }
        module = "benchmarks.peers.run"
        done = subprocess.run(
            [*python.split(), "-m", module, engine, str(jobs), str(samples)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        found: Figures = json.loads(done.stdout)
        return found


def median_of(rounds: list[Figures]) -> Figures:
    return {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=3_000)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default=ENGINES)
    parser.add_argument("--peers-python", default=sys.executable)
    options = parser.parse_args()
    engines = options.engines.split(",")
    rounds: dict[str, list[Figures]] = {engine: [] for engine in engines}
    for _ in range(options.rounds):
        for engine in engines:
            jobs = options.jobs // 10 if engine == "rq" else options.jobs
            with redis_server() as redis:
                if engine in PEERS:
                    python = options.peers_python
                    found = peer(engine, python, redis, jobs, options.samples)
                else:
                    found = own(engine, redis, jobs, options.samples)
            rounds[engine].append(found)
    report({engine: median_of(found) for engine, found in rounds.items()})


def report(found: dict[str, Figures]) -> None:
    """Print a line an engine, and ours as ratios to Celery's."""
    columns = ("enqueue", "shared", "bulk", "jobs", "cpu_us", "p50_ms", "p99_ms")
    heads = ("enq/s", "shared/s", "bulk/s", "job/s", "cpu us", "p50 ms", "p99 ms")
    print(f"{'':18}" + "".join(f"{head:>9}" for head in heads))
    for engine, figures in found.items():
        cells = [f"{figures.get(name, math.nan):9.4g}" for name in columns]
        print(f"{engine:18}" + "".join(cells))
    celery = found.get("celery")
    for engine, figures in found.items() if celery else ():
        ratios = [
            f"{name} {figures[name] / celery[base]:.2f}"
            for name, base in _COMPARED
            if name in figures
        ]
        print(f"{engine:18}times Celery's: " + ", ".join(ratios))


if __name__ == "__main__":
    main()
