"""A worker's ear to an executor: an id that arrives means "look at the table now".

What the message says is not believed. The worker takes the job that comes first by
priority, whichever id woke it, and goes on until nothing is due; so pausing, limits
and priorities hold whatever a broker knows of them, and a forged message can do no
more than wake somebody up.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable

from foretell.core.logs import get_logger
from foretell.errors import Unavailable
from foretell.jobs.ports import Executor

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
log = get_logger(__name__)


class Feed:
    """Receives on a thread of its own, and holds back while the worker is busy.

    Args:
        on_arrival: Runs on the loop that made the feed.
    """

    def __init__(
        self, executor: Executor, queues: Iterable[str], on_arrival: Callable[[], None]
    ) -> None:
        self._executor = executor
        self._queues = set(queues)
        self._on_arrival = on_arrival
        self._loop = asyncio.get_running_loop()
        self._is_free = threading.Event()
        self._is_closed = threading.Event()
        # A daemon: it hangs in the broker's call when the process ends.
        self._thread = threading.Thread(target=self._run, name="job-feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def worker_is_free(self) -> None:
        """Let the next id come."""
        self._is_free.set()

    def serve_also(self, queue: str) -> None:
        """Receive from a queue that a job was found in."""
        if queue not in self._queues:
            self._queues.add(queue)
            self._executor.add_queue(queue)

    def close(self) -> None:
        self._is_closed.set()
        self._is_free.set()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._is_closed.is_set():
            try:
                self._executor.receive(sorted(self._queues), self._deliver)
                log.warning("broker.lost")
            except Unavailable as error:
                log.warning("broker.away", reason=error.detail)
            except Exception:
                # Whatever a broker's library does not foresee: begin anew.
                log.exception("broker.receiving_failed")
            self._is_closed.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _deliver(self, _job_id: str) -> None:
        if self._is_closed.is_set() or self._loop.is_closed():
            return
        self._is_free.clear()
        self._loop.call_soon_threadsafe(self._on_arrival)
        self._is_free.wait()
