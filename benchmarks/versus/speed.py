"""How fast both sides predict one row, and whether they answer while busy.

Both run at the same time on one machine; loads take turns, so the ratio of two
figures of one run means something and each alone does not.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks import processes
from benchmarks.responsive import Watch, sign_in
from benchmarks.versus.models import FEATURES
from benchmarks.versus.sides import Side

CONNECTIONS = (1, 16, 64)
ROUNDS = 2
SECONDS = 1.5
BUSY_SECONDS = 4.0
SIGNING_IN = 8
UPLOAD_MEGABYTES = 60


@dataclass(frozen=True, slots=True)
class Speed:
    """Requests a second, and CPU of the answering process for each."""

    per_second: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Busy:
    """Health checks beside other work, in milliseconds, and how often that was done."""

    p50: float
    p99: float
    worst: float
    done: int


def predict(side: Side, connections: int) -> Speed:
    """One load of one-row predictions."""
    pid = side.api_process()
    before = processes.cpu_seconds(pid)
    load = processes.load(
        f"{side.url}/api/predict",
        headers={"Content-Type": "application/json", **side.credential()},
        body=json.dumps({"features": FEATURES}),
        connections=connections,
        count=10_000_000,
        seconds=SECONDS,
    )
    cpu = processes.cpu_seconds(pid) - before
    requests = load["requests"]
    return Speed(requests / load["seconds"], cpu / requests * 1e6)


def compare(sides: Sequence[Side], connections: int) -> list[Speed]:
    """Medians of both, their loads taking turns after one to warm up."""
    samples: list[list[Speed]] = [[] for _ in sides]
    for turn in range(ROUNDS + 1):
        for side, taken in zip(sides, samples, strict=True):
            speed = predict(side, connections)
            if turn or connections > 1:
                taken.append(speed)
    return [
        Speed(
            statistics.median(speed.per_second for speed in taken),
            statistics.median(speed.cpu_us for speed in taken),
        )
        for taken in samples
    ]


def write_people(path: Path) -> None:
    """A large file of people with a few numbers."""
    line = "{n},Ann Example,ann{n}@example.org,1.25,17,some text of a usual length\n"
    with path.open("w") as file:
        file.write("id,name,email,a,b,note\n")
        n = 0
        while file.tell() < UPLOAD_MEGABYTES * 1_000_000:
            file.writelines(line.format(n=n + i) for i in range(10_000))
            n += 10_000


def beside_uploads(side: Side, path: Path) -> Busy:
    """Ask for health while the file is uploaded again and again."""
    return asyncio.run(_watched(side, lambda _watch: _upload(side, path)))


def beside_log_ins(side: Side) -> Busy:
    """Ask for health while people log in without pause."""
    email = side.person().email
    return asyncio.run(_watched(side, lambda watch: _log_in(side, watch, email)))


async def _watched(side: Side, work: Callable[[Watch], Awaitable[int]]) -> Busy:
    watch = Watch(side.url, side.health)
    watching = asyncio.create_task(watch.run())
    done = await work(watch)
    watch.stopping.set()
    await watching
    times = sorted(watch.milliseconds)
    p99 = times[max(int(len(times) * 0.99) - 1, 0)]
    return Busy(statistics.median(times), p99, times[-1], done)


async def _log_in(side: Side, watch: Watch, email: str) -> int:
    statuses = dict[int, int]()
    people = [
        asyncio.create_task(sign_in(side.url, watch, statuses, email))
        for _ in range(SIGNING_IN)
    ]
    await asyncio.sleep(BUSY_SECONDS)
    watch.stopping.set()
    await asyncio.gather(*people)
    return sum(statuses.values())


async def _upload(side: Side, path: Path) -> int:
    return await asyncio.to_thread(_upload_again_and_again, side, path)


def _upload_again_and_again(side: Side, path: Path) -> int:
    taken, until = 0, time.monotonic() + BUSY_SECONDS
    with httpx2.Client(
        base_url=side.url, headers=side.credential(), timeout=120
    ) as client:
        while time.monotonic() < until:
            with path.open("rb") as file:
                files = {"file": ("people.csv", file, "text/csv")}
                answer = client.post("/api/upload-csv", files=files)
            taken += answer.status_code in (200, 202)
    return taken


def report(sides: Sequence[Side], folder: Path) -> list[str]:
    """Both figures of both sides, and their ratios."""
    names = "".join(f"{side.name:>14}" for side in sides)
    lines = ["", f"{'':48}{names}         ratio"]
    for connections in CONNECTIONS:
        speeds = compare(sides, connections)
        title = f"one-row predict, {connections} connections"
        lines.append(_line(f"{title}: per s", [s.per_second for s in speeds]))
        lines.append(_line(f"{title}: CPU us", [s.cpu_us for s in speeds]))
    path = folder / "people.csv"
    write_people(path)
    for title, ask in (
        (f"uploads of {UPLOAD_MEGABYTES} MB", lambda side: beside_uploads(side, path)),
        (f"{SIGNING_IN} people logging in", beside_log_ins),
    ):
        busy = [ask(side) for side in sides]
        for name in ("p50", "p99", "worst"):
            figures = [getattr(found, name) for found in busy]
            lines.append(_line(f"health beside {title}: {name} ms", figures))
        lines.append(_line("  done meanwhile", [found.done for found in busy]))
    return lines


def _line(title: str, figures: Sequence[float]) -> str:
    cells = "".join(f"{figure:14,.1f}" for figure in figures)
    if len(figures) < 2 or not min(figures):
        return f"{title:48}{cells}"
    return f"{title:48}{cells}{max(figures) / min(figures):13.1f}x"
