"""One run: faults while jobs come in, then drain, then count."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from foretell.core.clock import SystemClock
from foretell.errors import Unavailable
from foretell.jobs.store import JobStore
from tests.chaos.faults import Faults, Interrupted
from tests.chaos.places import EXECUTORS, Processes, site_of
from tests.chaos.workload import confirmed, counts, order
from tests.jobs.conftest import Office, Site, eventually

_PAUSE_SECONDS = (0.1, 0.7)
_DRAIN_SECONDS = 120.0
_ORDERS = 3  # beside the submitter's, on average, between two faults
_REFUSED = b"another worker has this job now"
# Seconds for which a fault may keep others from working too.
_LASTING = {
    "server": 3.0,
    "database": 1.0,
    "disk full": 2.5,
    "locked": 1.0,
    "broker": 2.0,
    "frozen": 3.0,
}


@dataclass(slots=True)
class Report:
    """What a run showed; seconds for the reactions."""

    store: str
    executor: str
    seed: int
    faults: Counter[str]
    jobs: int = 0
    lost: int = 0
    twice: int = 0
    orphans: int = 0
    refused: int = 0
    reruns: int = 0
    after_worker: list[float] = field(default_factory=list)
    after_server: list[float] = field(default_factory=list)
    cancels: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return self.lost == self.twice == self.orphans == 0


async def run(
    store: str,
    executor: str = "embedded",
    *,
    faults: int,
    seed: int,
    cancels: int = 20,
    has_small_disk: bool = False,
) -> Report:
    """Inject so many faults and count what became of the jobs."""
    opened = await asyncio.to_thread(_Opened, store, has_small_disk)
    try:
        return await _run(
            opened.site, store, executor, faults, seed, cancels, has_small_disk
        )
    finally:
        await asyncio.to_thread(opened.close)


class _Opened:
    """A site, made and dropped on a thread: its helpers run loops of their own."""

    def __init__(self, store: str, is_small: bool) -> None:
        self._context = site_of(store, is_small=is_small)
        self.site = self._context.__enter__()

    def close(self) -> None:
        self._context.__exit__(None, None, None)


async def _run(
    site: Site,
    store: str,
    executor: str,
    count: int,
    seed: int,
    cancels: int,
    has_small_disk: bool,
) -> Report:
    chance = random.Random(seed)  # noqa: S311 - what breaks when, not a secret
    processes = Processes(site, EXECUTORS[executor], seed)
    office = Office(site)
    faults = Faults(
        site, office.database, processes, chance, has_small_disk=has_small_disk
    )
    try:
        for name in reversed(processes.names):
            processes.start(name)
        await eventually(lambda: site.has_workers(2), 90)
        for _ in range(count):
            await _order_some(office, chance)
            await asyncio.sleep(chance.uniform(*_PAUSE_SECONDS))
            await faults.inject()
        await faults.settle()
        processes.kill("submitter")
        report = Report(store, executor, seed, Counter(k for _, k in faults.moments))
        await _drain(office)
        await _count(report, office, site, faults)
        report.cancels = [await _cancel(office) for _ in range(cancels)]
        return report
    finally:
        processes.close()
        await office.close()


async def _order_some(office: Office, chance: random.Random) -> None:
    """Orders beside those of the submitter, which is killed too often to keep
    workers busy."""
    with suppress(Unavailable):
        for _ in range(chance.randrange(2 * _ORDERS + 1)):
            await order(office, chance)


async def _drain(office: Office) -> None:
    """Wait until every job has ended."""

    async def is_empty() -> bool:
        async with office.database.reading() as session:
            return not await JobStore(session, SystemClock()).count_active()

    try:
        await eventually(is_empty, _DRAIN_SECONDS)
    except TimeoutError:
        return  # what is left is counted as lost


async def _count(report: Report, office: Office, site: Site, faults: Faults) -> None:
    found = await counts(office)
    promised = set(confirmed(site).read_text("utf-8").split())
    report.jobs = len(found["jobs"])
    report.lost = len(
        found["unfinished"] | found["without effect"] | (promised - found["orders"])
    )
    report.twice = len(found["twice"])
    report.orphans = len(found["without order"] | found["without job"])
    logs = await asyncio.to_thread(_read_all, site.data_dir / "job-logs")
    report.refused = sum(text.count(_REFUSED) for text in logs)
    for interrupted in faults.interrupted:
        seconds = await _until_rerun(office, interrupted, faults)
        if seconds is not None:
            report.reruns += 1
            is_worker = interrupted.kind == "worker"
            (report.after_worker if is_worker else report.after_server).append(seconds)


def _read_all(folder: Path) -> Iterable[bytes]:
    return [path.read_bytes() for path in folder.glob("*/*.log")]


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
    if lost is None or lost.outcome != "worker_died":
        return None
    began, ended = interrupted.at, following.started_at.timestamp()
    for at, kind in faults.moments:
        is_itself = kind == interrupted.kind and at <= began < at + 0.5
        lasting = _LASTING.get(kind)
        if lasting and not is_itself and began - lasting < at < ended:
            return None
    return ended - began


async def _cancel(office: Office) -> float:
    """Seconds from asking a busy Python loop to stop until it has stopped."""
    job_id = await office.submit("test.spin")
    await office.until_state(job_id, "running")
    began = time.monotonic()
    await office.cancel(job_id)
    await office.until_state(job_id, "cancelled")
    return time.monotonic() - began
