"""What API processes may share beside the database: an optional store such as Redis.

Nothing in it is the truth and nothing needs it. It is asked with a short patience, and
once it did not answer it is left alone until a question in the background was answered:
a store that hangs costs the requests of one moment some milliseconds, and the others
nothing.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any, Protocol, TypeVar

from foretell.core.logs import get_logger
from foretell.core.plugins import load_plugin, names_of
from foretell.core.rates import Rate
from foretell.errors import Unavailable
from foretell.settings import Settings, SettingsError

T = TypeVar("T")
GROUP = "foretell.shared_stores"
ASK_AGAIN_SECONDS = 0.1
ASK_AGAIN_AT_MOST_SECONDS = 2.0
ANSWER_SECONDS = 1.0
REFUSAL_SECONDS = 60.0
# A loop that comes late finds the time over and the answer there.
_LAST_TURNS = 4

log = get_logger("foretell.shared")


class SharedStoreUnavailable(Unavailable):
    """The shared store does not answer, or refuses."""

    slug = "shared-store-unavailable"
    title = "Shared store unavailable"


class SharedStoreRefused(SharedStoreUnavailable):
    """It answered, and will not do it: there is no room, or no permission."""


class SharedStore(Protocol):
    """A store that API processes on all machines reach. Made without a connection.

    Every method but `close` raises `SharedStoreUnavailable`, and may be cancelled at
    any moment.
    """

    async def take(self, keys: Sequence[str], rate: Rate) -> list[float]:
        """Count one request of each key, in one round trip and atomically.

        Returns:
            For each key a `lead` as `Rate.verdict` reads it.
        """
        ...

    async def get(self, key: str) -> bytes | None:
        """A value that was put and is neither old nor pushed out."""
        ...

    async def put(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep a value for some time, or for less where there is no room."""
        ...

    async def publish(self, signal: str) -> None:
        """Tell every process that listens now."""
        ...

    def listen(self) -> AsyncGenerator[str]:
        """Signals of all processes, this one's too, as long as the connection lasts.
        The first one is empty: from there on none is missed."""
        ...

    async def ping(self) -> None:
        """Say that it answers."""
        ...

    async def close(self) -> None:
        """Let go of connections, without waiting for anybody."""
        ...


def open_store(settings: Settings) -> SharedStore | None:
    """The store that REDIS_URL names; `None` without one.

    Raises:
        SettingsError: Nobody knows such a URL, or the library is not installed.
    """
    if settings.redis_url is None:
        return None
    url = settings.redis_url.get_secret_value()
    scheme, known = url.partition("://")[0], names_of(GROUP)
    if scheme not in known:
        takes = ", ".join(known)
        raise SettingsError(f"FORETELL_REDIS_URL: takes {takes}; this is {scheme!r}")
    try:
        make: Callable[[str], SharedStore] = load_plugin(GROUP, scheme)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"FORETELL_REDIS_URL: needs the package {error.name!r}: "
            "pip install 'foretell[redis]'"
        ) from error
    return make(url)


class Shared:
    """The shared store of one process, and whether it is there.

    Attributes:
        outages: How often it went away.
    """

    def __init__(self, store: SharedStore) -> None:
        self.store = store
        self.outages = 0
        self._asking: asyncio.Task[None] | None = None
        self._silent_until = float("-inf")
        self._questions: set[asyncio.Task[Any]] = set()

    @property
    def is_there(self) -> bool:
        """Whether it makes sense to ask it anything."""
        return self._asking is None

    async def ask(self, question: Coroutine[Any, Any, T], seconds: float) -> T:
        """The answer, if it comes in time; otherwise nobody is asked for a while.

        Raises:
            SharedStoreUnavailable: It did not come, or is a refusal.
        """
        if not self.is_there:
            question.close()
            raise SharedStoreUnavailable("The shared store is away.")
        try:
            return await self._answer(question, seconds)
        except SharedStoreRefused as error:
            self._note_refusal(error.detail)
            raise
        except (TimeoutError, SharedStoreUnavailable) as error:
            reason = "no answer in time"
            if isinstance(error, SharedStoreUnavailable):
                reason = error.detail
            self.note_away(reason)
            raise SharedStoreUnavailable(reason) from error

    async def close(self) -> None:
        """End every question, then let go of the store."""
        ending = {*self._questions, *([self._asking] if self._asking else ())}
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=ANSWER_SECONDS)
        await self.store.close()

    def note_away(self, reason: str) -> None:
        """Ask nothing until a question in the background was answered."""
        if self._asking is None:
            self.outages += 1
            log.warning("shared_store.away", reason=reason)
            # Of no request: its lines must not carry the id of the one that waited.
            self._asking = asyncio.create_task(
                self._ask_until_there(), context=Context()
            )

    def _note_refusal(self, reason: str) -> None:
        # It is there: the next question may be another one. A line for each of them
        # would be a flood.
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + REFUSAL_SECONDS
            log.warning("shared_store.refused", reason=reason)

    async def _answer(self, question: Coroutine[Any, Any, T], seconds: float) -> T:
        task = asyncio.create_task(question)
        # Given up, it still has a connection to let go of.
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)
        return await within(task, seconds)

    async def _ask_until_there(self) -> None:
        started, pause = time.monotonic(), ASK_AGAIN_SECONDS
        while True:
            await asyncio.sleep(pause)
            with suppress(TimeoutError, SharedStoreUnavailable):
                await self._answer(self.store.ping(), ANSWER_SECONDS)
                break
            pause = min(pause * 2, ASK_AGAIN_AT_MOST_SECONDS)
        self._asking = None
        log.info("shared_store.back", seconds=round(time.monotonic() - started, 1))


async def within(work: Awaitable[T], seconds: float) -> T:
    """The result of `work`, if it is there in time or was there before we looked.

    `asyncio.timeout` would give up an answer that has arrived while the loop was busy
    with something else; under load that is most of those it gives up.

    Raises:
        TimeoutError: The work was cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        for _ in range(_LAST_TURNS):
            if task.done():
                return task.result()
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        _give_up(task)
        raise
    _give_up(task)
    raise TimeoutError


def _give_up(task: "asyncio.Future[Any]") -> None:
    # What it raises while it ends is of no interest any more, but must be looked at.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    task.cancel()
