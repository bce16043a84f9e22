"""Raw Celery, set up so that a killed worker loses nothing."""

import os

from celery import Celery

from benchmarks.peers.marks import mark

app = Celery("peer", broker=os.environ["JOBS_BENCH_REDIS"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(name="mark")
def marked(number: int) -> None:
    mark(number)
