"""Dramatiq's actor on Redis."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.marks import mark

dramatiq.set_broker(RedisBroker(url=os.environ["JOBS_BENCH_REDIS"]))
marked = dramatiq.actor(mark, max_retries=3)
