"""Ids on their way to an executor: when they are sent, and when again."""

import queue
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from foretell.core.clock import Clock, FakeClock
from foretell.core.pagination import Cursors
from foretell.errors import Unavailable
from foretell.jobs.carrying import Carrier
from foretell.jobs.ports import Waiting
from foretell.jobs.service import JobsService
from tests.brokers import until
from tests.jobs import work
from tests.jobs.conftest import Office


class Recorder:
    """Keeps what it is given; or has no broker."""

    def __init__(self) -> None:
        self.sent: queue.Queue[str] = queue.Queue()
        self.is_away = False

    def send(self, job_id: str, queue: str) -> None:
        if self.is_away:
            self.sent.put("refused")
            raise Unavailable("No broker.")
        self.sent.put(job_id)

    def check(self) -> None: ...

    def receive(self, queues: Sequence[str], deliver: Callable[[str], None]) -> None:
        raise AssertionError

    def add_queue(self, queue: str) -> None: ...

    def close(self) -> None: ...


class Post:
    """A desk whose bell is a carrier."""

    def __init__(self, office: Office, clock: Clock) -> None:
        self.office = office
        self.clock = clock
        self.executor = Recorder()
        self.carrier = Carrier(self.executor, office.database, self.clock)

    def service(self, session: Any) -> JobsService:
        return JobsService(
            session,
            registry=work.registry(),
            clock=self.clock,
            cursors=Cursors(b"k" * 32),
            bell=self.carrier,
        )

    async def submit(self, **options: Any) -> str:
        async with self.office.database.writing() as session:
            jobs = self.service(session)
            return (await jobs.submit("test.effect", {}, owner_id=None, **options)).id

    async def swept(self, seconds: float) -> list[str]:
        """What is sent by the sweeps of the next seconds."""
        found = []
        assert isinstance(self.clock, FakeClock)
        for _ in range(int(seconds)):
            self.clock.advance(seconds=1)
            # How long a sweep took must not keep the next one from its turn here.
            self.carrier._next_sweep = 0.0
            await self.carrier.sweep()
        self.carrier.ring(Waiting("end", "default"))
        while (job_id := self.next()) != "end":
            found.append(job_id)
        return found

    def next(self) -> str:
        return self.executor.sent.get(timeout=10)


@pytest.fixture
async def post(quiet_office: Office) -> AsyncIterator[Post]:
    made = Post(quiet_office, FakeClock())
    yield made
    made.carrier.close()


async def test_an_id_is_sent_when_its_job_is_committed(post: Post) -> None:
    async with post.office.database.writing() as session:
        jobs = post.service(session)
        first = await jobs.submit("test.effect", {}, owner_id=None)
        # Its savepoint ends before anybody else sees the first one.
        keyed = await jobs.submit("test.effect", {}, owner_id=None, unique_key="k")
        assert post.executor.sent.empty()
    assert [post.next(), post.next()] == [first.id, keyed.id]


async def test_nothing_is_sent_for_what_is_rolled_back(post: Post) -> None:
    async with post.office.database.writing() as session:
        jobs = post.service(session)
        await jobs.submit("test.effect", {}, owner_id=None)
        await session.rollback()
    assert await post.swept(20) == []


async def test_an_id_that_nobody_took_is_sent_again_with_doubling_pauses(
    post: Post,
) -> None:
    job_id = await post.submit()
    assert post.next() == job_id
    assert await post.swept(4) == []
    assert await post.swept(1) == [job_id]  # after 5 s
    assert await post.swept(4) == []
    assert await post.swept(1) == [job_id]  # 10 s
    assert await post.swept(9) == []
    assert await post.swept(1) == [job_id]  # 20 s
    assert await post.swept(19) == []
    assert await post.swept(1) == [job_id]  # 40 s


async def test_a_job_for_later_is_sent_when_it_is_due(post: Post) -> None:
    later = await post.submit(run_at=post.clock.now() + timedelta(seconds=3))
    assert await post.swept(2) == []
    assert await post.swept(1) == [later]


async def test_a_broker_that_is_away_is_left_alone_for_a_while(post: Post) -> None:
    post.executor.is_away = True
    job_id = await post.submit()
    assert post.next() == "refused"
    until(lambda: post.carrier.is_resting)
    assert isinstance(post.clock, FakeClock)
    post.clock.advance(seconds=60)
    await post.carrier.sweep()
    other = await post.submit()
    assert post.executor.sent.empty()
    post.executor.is_away = False
    post.carrier._rests_until = 0.0
    assert sorted(await post.swept(6)) == sorted([job_id, other])
