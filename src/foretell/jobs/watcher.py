"""One look at the jobs table for everybody in this process who waits or watches.

However many event streams and `Prefer: wait` requests there are, one task reads
which jobs changed, at most every 20 ms when something rings and every 100 ms otherwise,
and only while somebody listens; a job itself is read once for all of them. The row is the truth: a wake-up that is lost, or a
listener that was away, only means a later look.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from foretell.core.clock import Clock, SystemClock
from foretell.core.db import Database
from foretell.core.logs import get_logger
from foretell.errors import Conflict, Unavailable
from foretell.http.state import Outcome
from foretell.jobs.doorbell import Listener, socket_folder
from foretell.jobs.failures import problem_of
from foretell.jobs.store import JobStore
from foretell.jobs.tables import Job, JobState

# A change is stamped when its statement runs and seen when its transaction commits;
# completions and submissions are stamped last, so this is long.
SLACK_SECONDS = 5.0
_INTERVAL_SECONDS = 0.1
_SHORTEST_SECONDS = 0.02
_WITHOUT_DATABASE_SECONDS = 1.0
log = get_logger(__name__)


class JobCancelled(Conflict):
    """The job was cancelled, so what it should have made does not exist."""

    slug = "job-cancelled"


@dataclass(frozen=True, slots=True)
class News:
    """What one look found: jobs that changed lately, the oldest change first, and
    those among the ones asked for by name, by id."""

    recent: list[Job]
    found: dict[str, Job]


class Subscription:
    """What one listener has not yet seen. Changes of one job coalesce.

    Args:
        job_id: The one job it is about; `None`: all of them.
        after: Position of that job (`seq`) that the listener knows already.
    """

    def __init__(self, job_id: str | None, after: int = -1) -> None:
        self.job_id = job_id
        self._seen = after
        self._pending: dict[str, Job] = {}
        self._news = asyncio.Event()

    def wants(self, seq: int) -> bool:
        """Whether that position of its one job would be news."""
        return seq > self._seen

    def offer(self, news: News) -> None:
        """Take over what is new."""
        if self.job_id is None:
            self._pending |= {job.id: job for job in news.recent}
        else:
            job = news.found.get(self.job_id)
            if job is not None and self.wants(job.seq):
                self._seen = job.seq
                self._pending[job.id] = job
        if self._pending:
            self._news.set()

    async def take(self, seconds: float) -> list[Job]:
        """News in the order they came; nothing when the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return []
        self._news.clear()
        jobs, self._pending = list(self._pending.values()), {}
        return jobs


class Watcher:
    """Tells listeners of this process about jobs; the `Waiter` of `http`."""

    def __init__(
        self, database: Database, data_dir: Path, clock: Clock | None = None
    ) -> None:
        self._database = database
        self._data_dir = data_dir
        self._clock = clock or SystemClock()
        self._subscriptions: set[Subscription] = set()
        self._rung = asyncio.Event()
        self._listener: Listener | None = None
        self._task: asyncio.Task[None] | None = None
        self._told: dict[str, int] = {}  # positions within the window

    async def __aenter__(self) -> "Watcher":
        self._listener = Listener(
            socket_folder(self._data_dir), "server", self._rung.set
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    @contextmanager
    def subscribed(self, job_id: str | None, after: int = -1) -> Iterator[Subscription]:
        """Listen; the first news about one job is its state now, if it is newer
        than `after`."""
        subscription = Subscription(job_id, after)
        self._subscriptions.add(subscription)
        self._rung.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def wait(self, job_id: str, seconds: float) -> Outcome | None:
        """How the job ended, or `None` when the time is over first."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with self.subscribed(job_id) as subscription:
            while (left := until - loop.time()) > 0:
                for job in await subscription.take(left):
                    if JobState(job.state).is_final:
                        return outcome_of(job)
        return None

    async def moment(self) -> float:
        """Now, as `changed_at` tells it."""
        async with self._database.reading() as session:
            return await JobStore(session, self._clock).database_clock()

    async def changed_after(self, moment: float) -> list[Job]:
        """Jobs that changed from `moment` on, the oldest change first."""
        async with self._database.reading() as session:
            store = JobStore(session, self._clock)
            return await store.changed_since(moment)

    async def _watch(self) -> None:
        self._told = {}
        while self._subscriptions:
            self._rung.clear()
            try:
                changed = await self._changed()
            except Unavailable:
                log.warning("jobs.watch_without_database")
                await asyncio.sleep(_WITHOUT_DATABASE_SECONDS)
                continue
            for subscription in list(self._subscriptions):
                subscription.offer(changed)
            await asyncio.sleep(_SHORTEST_SECONDS)
            try:
                async with asyncio.timeout(_INTERVAL_SECONDS - _SHORTEST_SECONDS):
                    await self._rung.wait()
            except TimeoutError:
                continue

    async def _changed(self) -> News:
        """Jobs that are news to somebody."""
        named = [s for s in self._subscriptions if s.job_id is not None]
        wants_all = len(named) < len(self._subscriptions)
        async with self._database.reading() as session:
            store = JobStore(session, self._clock)
            since = None
            if wants_all:
                since = await store.database_clock() - SLACK_SECONDS
            ids = sorted({str(s.job_id) for s in named})
            window, asked = await store.positions(since, ids)
            fresh = {i for i, seq in window.items() if seq > self._told.get(i, -1)}
            wanted = {
                str(s.job_id) for s in named if s.wants(asked.get(str(s.job_id), -1))
            }
            found = {j.id: j for j in await store.find_many(sorted(fresh | wanted))}
        recent = [found[i] for i in fresh if i in found]
        # Whatever leaves the window comes back only with a higher position. A job that
        # was read for its name alone may have moved on since: that is told next time.
        self._told = window | {job.id: job.seq for job in recent}
        return News(sorted(recent, key=lambda job: job.changed_at), found)


def outcome_of(job: Job) -> Outcome:
    """What a caller who waited for the job is told."""
    if job.state == JobState.SUCCEEDED:
        return Outcome(True, job.target, None)
    problem = job.error or problem_of(JobCancelled("The job was cancelled."))
    return Outcome(False, None, problem)
