"""Measures one peer, in the peer's own environment; prints JSON.

python -m benchmarks.peers.run celery|rq|dramatiq JOBS SAMPLES
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers import measuring
from benchmarks.peers.marks import VARIABLE, Marks

WORKERS = {
    "celery": (
        "-m celery -A benchmarks.peers.celery_app worker --pool prefork -c 1 "
        "--without-gossip --without-mingle --without-heartbeat --loglevel ERROR"
    ),
    "rq": "-m rq.cli worker --quiet --url {redis} bench",
    "dramatiq": "-m dramatiq benchmarks.peers.dramatiq_tasks --processes 1 --threads 1",
}


def sender(engine: str) -> Callable[[int], object]:
    """The function that enqueues one job, as the engine's documentation shows."""
    if engine == "celery":
        from benchmarks.peers.celery_app import marked

        return lambda number: marked.delay(number)
    if engine == "dramatiq":
        from benchmarks.peers.dramatiq_tasks import marked as actor

        return lambda number: actor.send(number)
    from redis import Redis
    from rq import Queue

    queue = Queue("bench", connection=Redis.from_url(os.environ["JOBS_BENCH_REDIS"]))
    from benchmarks.peers import rq_tasks

    return lambda number: queue.enqueue(rq_tasks.marked, number, result_ttl=0)


def main() -> None:
    engine, jobs, samples = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    marks = Marks(Path(os.environ[VARIABLE]))
    send = sender(engine)
    options = WORKERS[engine].format(redis=os.environ["JOBS_BENCH_REDIS"]).split()

    def start() -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        command = [sys.executable, *options]
        return subprocess.Popen(command, stdout=quiet, stderr=quiet)

    figures = measuring.measure(marks, send, start, jobs, samples)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
