"""RQ as carrier, over Redis.

Only RQ's queues are used: an id leaves Redis when it is received, so none of RQ's
registries of started and abandoned jobs has anything to judge. Its workers are
registered, for `rq info` and dashboards.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.serializers import JSONSerializer

from foretell.plugins.executors.names import (
    TASK,
    TIMEOUT_SECONDS,
    at_broker,
    away,
    demand_scheme,
)

_ERRORS = (RedisError, OSError)
_WAIT_SECONDS = 5
_KEPT_SECONDS = 3_600


class RqExecutor:
    """Ids as RQ jobs that nobody needs to import, since only our workers take them."""

    def __init__(self, url: str) -> None:
        demand_scheme("rq", url, "redis", "rediss")
        self._url = url
        self._sending: Redis | None = None
        self._queues: list[Queue] = []
        self._receiving: Redis | None = None
        self._is_closed = threading.Event()

    def send(self, job_id: str, queue: str) -> None:
        try:
            self._sending = self._sending or self._connection(TIMEOUT_SECONDS)
            self._queue(queue, self._sending).enqueue(
                TASK, job_id, job_timeout=-1, result_ttl=0, failure_ttl=_KEPT_SECONDS
            )
        except _ERRORS as error:
            raise away(error) from error

    def check(self) -> None:
        try:
            with self._connection(TIMEOUT_SECONDS) as connection:
                connection.ping()
        except _ERRORS as error:
            raise away(error) from error

    def receive(self, queues: Sequence[str], deliver: Callable[[str], None]) -> None:
        try:
            # A little longer than Redis is asked to wait for an id.
            with self._connection(_WAIT_SECONDS + TIMEOUT_SECONDS) as connection:
                self._receiving = connection
                self._queues = [self._queue(name, connection) for name in queues]
                worker: Any = SimpleWorker(self._queues, connection=connection)
                worker.register_birth()
                while not self._is_closed.is_set():
                    if (job_id := self._next(connection)) is not None:
                        deliver(job_id)
                    worker.heartbeat()
                worker.register_death()
        except _ERRORS as error:
            raise away(error) from error

    def add_queue(self, queue: str) -> None:
        if self._receiving is not None:
            self._queues.append(self._queue(queue, self._receiving))

    def close(self) -> None:
        self._is_closed.set()
        if self._sending is not None:
            self._sending.close()

    def _next(self, connection: Redis) -> str | None:
        """The next id; it is out of Redis then."""
        try:
            found = Queue.dequeue_any(
                list(self._queues),
                _WAIT_SECONDS,
                connection=connection,
                serializer=JSONSerializer,
            )
        except DequeueTimeout:
            return None
        if found is None:
            return None
        job, _queue = found
        arguments: Any = job.args
        job.delete(remove_from_queue=False)
        return str(arguments[0]) if arguments else None

    def _queue(self, queue: str, connection: Redis) -> Queue:
        name = at_broker(queue)
        return Queue(name, connection=connection, serializer=JSONSerializer)

    def _connection(self, timeout: float) -> Redis:
        return Redis.from_url(
            self._url,
            socket_timeout=timeout,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
