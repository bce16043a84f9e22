"""`make bench-responsive`: does `/healthz` answer while everything else is busy?

A 200 MB file is uploaded and imported, 40 connections predict one row after the
other, 16 people sign in again and again. Meanwhile `/healthz` is asked every 10 ms
over a connection of its own. Printed: its p50, p99 and worst, in milliseconds, and
what the others got done. Then the same question with a Redis that hangs (frozen.py);
`--only frozen` asks that alone.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2

from benchmarks import frozen, quick, tables

MEGABYTES = 200
PREDICTING, SIGNING_IN = 40, 16


class Watch:
    """Asks for health until told to stop and keeps the times."""

    def __init__(self, url: str, path: str = "/healthz") -> None:
        self.url, self.path = url, path
        self.milliseconds: list[float] = []
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        async with httpx2.AsyncClient(base_url=self.url, timeout=60) as client:
            while not self.stopping.is_set():
                started = time.perf_counter()
                (await client.get(self.path)).raise_for_status()
                self.milliseconds.append((time.perf_counter() - started) * 1000)
                await asyncio.sleep(0.01)


async def sign_in(
    url: str,
    watch: Watch,
    statuses: dict[int, int],
    email: str = "bench@example.org",
) -> None:
    form = {
        "grant_type": "password",
        "username": email,
        "password": "correct horse battery",
    }
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        while not watch.stopping.is_set():
            status = (await client.post("/token", data=form)).status_code
            statuses[status] = statuses.get(status, 0) + 1


async def predict(url: str, key: str, row: Any, seconds: float) -> str:
    """Run the load in a process of its own, so that it does not delay the watch."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    asked = {
        "url": f"{url}/api/models/bench/predict",
        "method": "POST",
        "headers": headers,
        "body": json.dumps({"rows": [row]}),
        "connections": PREDICTING,
        "count": 10_000_000,
        "seconds": seconds,
    }
    process = await asyncio.create_subprocess_exec(
        quick.PYTHON,
        "-m",
        "benchmarks.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate(json.dumps(asked).encode())
    return answer.decode()


async def import_file(url: str, key: str, path: Path) -> dict[str, Any]:
    async def body() -> Any:
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, 1 << 20):
                yield chunk

    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=300) as client:
        answer = await client.post("/api/datasets?name=big", content=body())
        job = answer.headers["location"]
        while True:
            found: dict[str, Any] = (await client.get(job)).json()
            if found["state"] not in ("queued", "running"):
                return found
            await asyncio.sleep(0.2)


async def measure(url: str, key: str, row: Any, path: Path, seconds: float) -> None:
    watch, statuses = Watch(url), dict[int, int]()
    watching = asyncio.create_task(watch.run())
    people = [
        asyncio.create_task(sign_in(url, watch, statuses)) for _ in range(SIGNING_IN)
    ]
    predicting = asyncio.create_task(predict(url, key, row, seconds))
    started = time.perf_counter()
    job = await import_file(url, key, path)
    imported = time.perf_counter() - started
    answered = json.loads(await predicting)
    watch.stopping.set()
    await asyncio.gather(watching, *people)
    times = sorted(watch.milliseconds)
    print(f"healthz: n {len(times)}, p50 {statistics.median(times):.1f} ms,", end=" ")
    print(f"p99 {times[int(len(times) * 0.99) - 1]:.1f} ms, worst {times[-1]:.1f} ms")
    print(f"import: {job['state']} after {imported:.1f} s ({job.get('result')})")
    print(f"predictions: {answered['requests']}, failures {answered['failures']}")
    print(f"sign-ins by status: {statuses}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", choices=("work", "frozen"))
    options = parser.parse_args()
    if options.only != "frozen":
        beside_work(options.seconds)
    if options.only != "work":
        frozen.run(options.seconds / 2)


def beside_work(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        row = quick.train(folder)
        path = folder / "big.csv"
        tables.write_csv(path, int(1_000_000 * MEGABYTES / 193))
        url, key, _ = quick.start_foretell(stack, folder, pinned=False)
        asyncio.run(measure(url, key, row, path, seconds))


if __name__ == "__main__":
    main()
