"""Foretell on a thread of its own, for hosts without an event loop or a lifespan."""

import asyncio
import os
import threading
from concurrent.futures import Future

from foretell.core.logs import get_logger
from foretell.errors import Unavailable
from foretell.http.edge import Edge
from foretell.mount.mounted import running

log = get_logger("foretell.mount")
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class StillStarting(Unavailable):
    """Foretell has not started in this process yet, or could not, or was stopped."""

    slug = "still-starting"


class OwnLoop:
    """An event loop on a thread, with Foretell running in it.

    It starts at the first call of `begin`, in whichever process that happens: a server
    that forks after it has loaded the application takes no thread with it.
    """

    def __init__(self, app: Edge) -> None:
        self._app = app
        self._reset()
        # Of the forked process; what runs on in the one before is not its.
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._ending: asyncio.Event | None = None
        self._is_over = False

    def begin(self) -> None:
        """Start if that has not happened in this process; waits for nothing."""
        with self._lock:
            if self._thread is not None:
                return
            # No daemon: the interpreter waits for it, so workers end in an orderly way.
            self._thread = threading.Thread(target=self._run, name="foretell")
            self._thread.start()
        # Before the pools of threads are closed, which the ending needs. Plain atexit
        # comes after all threads have been waited for.
        threading._register_atexit(self.end)  # type: ignore[attr-defined]

    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop, once Foretell has started.

        Raises:
            StillStarting: It takes longer than `START_SECONDS`, or has failed.
        """
        self.begin()
        if self._is_over:
            raise StillStarting("Foretell has been stopped in this process.")
        try:
            return self._started.result(START_SECONDS)
        except TimeoutError:
            raise StillStarting(
                "Foretell takes long to start; try again.", retry_after_seconds=5
            ) from None
        except Exception as error:
            raise StillStarting(
                "Foretell could not start; the host's log says why."
            ) from error

    def end(self) -> None:
        """Stop what runs in this process, for good, and wait for it."""
        with self._lock:
            self._is_over = True
            thread = self._thread
            if self._loop is not None and self._ending is not None:
                self._loop.call_soon_threadsafe(self._ending.set)
        if thread is not None and thread.is_alive():
            thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._started.done():
                log.error("mount.ended_badly", exc_info=error)
            else:
                log.error("mount.start_failed", exc_info=error)
                self._started.set_exception(error)

    async def _serve(self) -> None:
        loop, ending = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if self._is_over:
                return
            self._loop, self._ending = loop, ending
        try:
            async with running(self._app):
                self._started.set_result(loop)
                await ending.wait()
        finally:
            with self._lock:
                self._loop = None
