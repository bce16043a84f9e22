"""One run: faults while jobs come in, then drain, then count, then reactions."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from foretell.core.clock import SystemClock
from foretell.errors import Unavailable
from foretell.jobs.store import JobStore
from foretell.jobs.tables import AttemptOutcome
from tests.chaos.faults import Faults, Interrupted
from tests.chaos.places import Place, place_of
from tests.chaos.processes import WORKERS, Processes
from tests.chaos.reactions import Reactions
from tests.chaos.workload import confirmed, counts, order
from tests.jobs.conftest import Office, Site, eventually

_PAUSE_SECONDS = (0.05, 0.5)
_START_SECONDS = 180.0
_DRAIN_SECONDS = 180.0
_ORDERS = 3  # beside the submitter's, on average, between two faults
_ENOUGH = 60  # jobs that wait: more orders would only make the drain longer
_REFUSED = b"another worker has this job now"
# Seconds for which a fault may keep others from working too.
_LASTING = {
    "nursery": 2.0,
    "server": 3.0,
    "connections cut": 1.0,
    "database killed": 3.0,
    "database frozen": 4.0,
    "disk full": 2.5,
    "locked": 1.0,
    "frozen": 3.0,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does: random faults, then so many deaths of each kind alone."""

    store: str
    executor: str
    faults: int
    seed: int
    workers: int = 10
    servers: int = 3
    zombies: int = 3
    cancels: int = 20
    has_small_disk: bool = False


@dataclass(slots=True)
class Report:
    """What a run showed; seconds for the reactions.

    Attributes:
        refused: How often a worker was told that its job is another's.
        reruns: Tries that followed the death of a worker.
        amid: From a worker's death among the random faults to the next try, where no
            other fault came between.
        alone: Reactions to single deaths after the random faults.
    """

    plan: Plan
    faults: Counter[str]
    jobs: int = 0
    lost: int = 0
    twice: int = 0
    orphans: int = 0
    refused: int = 0
    reruns: int = 0
    amid: list[float] = field(default_factory=list)
    alone: Reactions | None = None
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        return self.lost == self.twice == self.orphans == 0


async def run(plan: Plan) -> Report:
    """Inject the faults and count what became of the jobs."""
    began = time.monotonic()
    opened = await asyncio.to_thread(_Opened, plan)
    try:
        report = await _run(opened.place, plan)
    finally:
        await asyncio.to_thread(opened.close)
    report.seconds = time.monotonic() - began
    return report


class _Opened:
    """A place, made and left on a thread: its helpers run loops of their own."""

    def __init__(self, plan: Plan) -> None:
        self._context = place_of(
            plan.store, plan.executor, has_small_disk=plan.has_small_disk
        )
        self.place = self._context.__enter__()

    def close(self) -> None:
        self._context.__exit__(None, None, None)


async def _run(place: Place, plan: Plan) -> Report:
    chance = random.Random(plan.seed)  # noqa: S311 - what breaks when, not a secret
    site = place.site
    processes = Processes(site, plan.seed)
    office = Office(site)
    faults = Faults(place, office, processes, chance)
    try:
        processes.start_server()
        processes.start_submitter()
        await eventually(lambda: site.has_workers(WORKERS), _START_SECONDS)
        for _ in range(plan.faults):
            await _order_some(office, chance)
            await asyncio.sleep(chance.uniform(*_PAUSE_SECONDS))
            await faults.inject()
        await faults.settle()
        processes.kill_submitter()
        report = Report(plan, Counter(kind for _, kind in faults.moments))
        await _drain(office)
        await _count(report, office, site, faults)
        report.alone = await _react(plan, Reactions(site, office, processes))
        report.refused = await asyncio.to_thread(_refusals, site)
        return report
    finally:
        processes.close()
        await office.close()


async def _react(plan: Plan, reactions: Reactions) -> Reactions:
    for _ in range(plan.workers):
        await reactions.worker_dies()
    for _ in range(plan.servers):
        await reactions.server_dies()
    for _ in range(plan.zombies):
        await reactions.zombie_wakes()
    for _ in range(plan.cancels):
        await reactions.cancel()
    return reactions


async def _order_some(office: Office, chance: random.Random) -> None:
    """Orders beside those of the submitter, which is killed too often to keep
    workers busy."""
    number = chance.randrange(2 * _ORDERS + 1)
    with suppress(Unavailable):
        if await _waiting(office) < _ENOUGH:
            for _ in range(number):
                await order(office, chance)


async def _waiting(office: Office) -> int:
    async with office.database.reading() as session:
        return sum((await JobStore(session, SystemClock()).count_active()).values())


async def _drain(office: Office) -> None:
    """Wait until every job has ended."""

    async def is_empty() -> bool:
        with suppress(Unavailable):
            return not await _waiting(office)
        return False

    with suppress(TimeoutError):  # what is left is counted as lost
        await eventually(is_empty, _DRAIN_SECONDS)


async def _count(report: Report, office: Office, site: Site, faults: Faults) -> None:
    found = await counts(office)
    promised = set(confirmed(site).read_text("utf-8").split())
    report.jobs = len(found["jobs"])
    report.lost = len(
        found["unfinished"] | found["without effect"] | (promised - found["orders"])
    )
    report.twice = len(found["twice"])
    report.orphans = len(found["without order"] | found["without job"])
    report.reruns = found["reruns"]
    for interrupted in faults.interrupted:
        seconds = await _until_rerun(office, interrupted, faults)
        if seconds is not None and interrupted.kind == "worker":
            report.amid.append(seconds)


def _refusals(site: Site) -> int:
    return sum(text.count(_REFUSED) for text in _logs(site))


def _logs(site: Site) -> Iterable[bytes]:
    return (path.read_bytes() for path in (site.data_dir / "job-logs").glob("*/*.log"))


async def _until_rerun(
    office: Office, interrupted: Interrupted, faults: Faults
) -> float | None:
    """Seconds from a kill to the next try; `None` where something else came between,
    or the job was to wait because it had lost workers before."""
    tries = {a.token: a for a in await office.attempts(interrupted.job_id)}
    following = tries.get(interrupted.token + 1)
    lost = tries.get(interrupted.token)
    if following is None or following.started_at is None or interrupted.deaths:
        return None
    if lost is None or lost.outcome != AttemptOutcome.WORKER_DIED:
        return None
    began, ended = interrupted.at, following.started_at.timestamp()
    for at, kind in faults.moments:
        lasting = _LASTING.get(kind)
        if lasting and began - lasting < at < ended:
            return None
    return ended - began
