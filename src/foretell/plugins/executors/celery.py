"""Celery as carrier: over Redis or RabbitMQ, with Celery's own worker inside ours.

Each worker process runs one Celery worker on a thread, whose only task wakes the main
thread; so Celery's remote control and monitors see it, while the job itself runs where
a signal can reach it. A message is acknowledged when it arrives: no visibility time-out
exists that could be wrong, and no result backend.
"""

import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery
from celery.exceptions import OperationalError as CeleryOperationalError
from celery.worker import WorkController
from kombu.exceptions import KombuError, OperationalError

from foretell.plugins.executors.names import (
    TASK,
    TIMEOUT_SECONDS,
    at_broker,
    away,
    demand_scheme,
)

_ERRORS = (OperationalError, CeleryOperationalError, KombuError, OSError)
_REDIS = {
    "socket_timeout": TIMEOUT_SECONDS,
    "socket_connect_timeout": TIMEOUT_SECONDS,
    "retry_on_timeout": False,
}
# Confirms: RabbitMQ forgets what it has not written when it is killed.
_RABBITMQ = {
    "confirm_publish": True,
    "confirm_timeout": TIMEOUT_SECONDS,
    "connect_timeout": TIMEOUT_SECONDS,
    "read_timeout": TIMEOUT_SECONDS,
    "write_timeout": TIMEOUT_SECONDS,
}


class CeleryExecutor:
    """Ids as messages of the task `foretell.run`, one Celery queue for each queue."""

    def __init__(self, url: str) -> None:
        schemes = ("redis", "rediss", "amqp", "amqps", "pyamqp")
        self._is_redis = demand_scheme("celery", url, *schemes).startswith("redis")
        self.app = _app(url, _REDIS if self._is_redis else _RABBITMQ)
        self._worker: Any = None
        self._producer: Any = None

    def send(self, job_id: str, queue: str) -> None:
        name = at_broker(queue)
        try:
            self.app.send_task(
                TASK, (job_id,), queue=name, retry=False, ignore_result=True
            )
        except _ERRORS as error:
            raise away(error) from error

    def check(self) -> None:
        try:
            with self.app.connection_for_write() as connection:
                connection.ensure_connection(
                    max_retries=1, interval_start=0, timeout=TIMEOUT_SECONDS
                )
                # Redis is asked when the channel opens, RabbitMQ when it connects.
                connection.default_channel.close()
        except _ERRORS as error:
            raise away(error) from error

    def receive(self, queues: Sequence[str], deliver: Callable[[str], None]) -> None:
        self.app.task(name=TASK, ignore_result=True)(deliver)
        # A line for each message that comes and goes.
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._worker = WorkController(
            app=self.app,
            hostname=f"foretell-{os.getpid()}@{socket.gethostname()}",
            pool="solo",
            concurrency=1,
            queues=[at_broker(queue) for queue in queues],
            without_gossip=True,
            without_mingle=True,
        )
        self._worker.start()

    def add_queue(self, queue: str) -> None:
        consumer = getattr(self._worker, "consumer", None)
        if consumer is not None:
            consumer.call_soon(consumer.add_task_queue, at_broker(queue))

    def close(self) -> None:
        self.app.pool.force_close_all()
        self.app.close()


def _app(url: str, transport: dict[str, Any]) -> Celery:
    app = Celery("foretell", broker=url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        broker_connection_max_retries=None,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=TIMEOUT_SECONDS,
        broker_pool_limit=1,
        broker_transport_options=transport,
        result_backend="disabled://",
        task_acks_late=False,
        task_create_missing_queues=True,
        task_default_queue=at_broker("default"),
        task_ignore_result=True,
        task_publish_retry=False,
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=1,
        worker_redirect_stdouts=False,
    )
    return app
