"""Dramatiq as carrier, over Redis.

Dramatiq acknowledges a message when its actor has returned; one that is delivered a
second time after a worker's death only wakes somebody up.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from dramatiq import Actor, Broker, Message, Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import DramatiqError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from foretell.plugins.executors.names import (
    TASK,
    TIMEOUT_SECONDS,
    at_broker,
    away,
    demand_scheme,
)

_ERRORS = (DramatiqError, RedisError, OSError)
_NAMESPACE = "foretell-dramatiq"


class DramatiqExecutor:
    """Ids as messages to the actor `foretell.run`."""

    def __init__(self, url: str) -> None:
        demand_scheme("dramatiq", url, "redis", "rediss")
        self._client = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        make: Any = RedisBroker  # untyped
        self._broker: Broker = make(
            client=self._client, middleware=[], namespace=_NAMESPACE
        )
        self._is_closed = threading.Event()

    def send(self, job_id: str, queue: str) -> None:
        message: Message[None] = Message(
            queue_name=at_broker(queue),
            actor_name=TASK,
            args=(job_id,),
            kwargs={},
            options={},
        )
        try:
            self._broker.enqueue(message)
        except _ERRORS as error:
            raise away(error) from error

    def check(self) -> None:
        try:
            self._client.ping()
        except _ERRORS as error:
            raise away(error) from error

    def receive(self, queues: Sequence[str], deliver: Callable[[str], None]) -> None:
        self._broker.actors.clear()
        Actor(
            deliver,
            broker=self._broker,
            actor_name=TASK,
            queue_name=at_broker(queues[0]),
            priority=0,
            options={},
        )
        for queue in queues:
            self._broker.declare_queue(at_broker(queue))
        worker = Worker(self._broker, worker_threads=1)
        # Not one more than it works on: the next is another worker's.
        worker.queue_prefetch = worker.delay_prefetch = 1
        worker.start()
        self._is_closed.wait()
        worker.stop(timeout=1_000)

    def add_queue(self, queue: str) -> None:
        self._broker.declare_queue(at_broker(queue))

    def close(self) -> None:
        self._is_closed.set()
        self._client.close()
