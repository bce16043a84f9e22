"""The last part of `make bench-responsive`: Redis hangs while everything uses it.

A server brings ids to workers by Celery over a Redis of the run, and counts callers in
it. Then Redis is stopped by SIGSTOP: `/healthz` is asked every 10 ms, jobs are sent and
counted requests made. Printed: its p50, p99 and worst before and meanwhile, what a sent
job and a counted request took, whether each job ran once when Redis woke, and how long
the server took to end with Redis stopped again.
"""

import asyncio
import os
import signal
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2

from benchmarks import quick
from benchmarks.versus.brokers import Redis


async def ask(client: httpx2.AsyncClient, path: str, until: float) -> list[float]:
    """Milliseconds of one answer after the other."""
    took = []
    while time.perf_counter() < until:
        started = time.perf_counter()
        (await client.get(path)).raise_for_status()
        took.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.01)
    return took


async def send_jobs(
    client: httpx2.AsyncClient, until: float
) -> tuple[list[str], list[float]]:
    """Paths of the jobs that were taken, and the milliseconds of each answer."""
    paths: list[str] = []
    took: list[float] = []
    while time.perf_counter() < until:
        started = time.perf_counter()
        body = {"task": "system.echo", "args": {"value": len(paths)}}
        answer = await client.post("/api/jobs", json=body)
        answer.raise_for_status()
        took.append((time.perf_counter() - started) * 1000)
        paths.append(f"/api/jobs/{answer.json()['id']}")
        await asyncio.sleep(0.5)
    return paths, took


def told(name: str, took: list[float]) -> None:
    ordered = sorted(took)
    p99 = ordered[max(int(len(ordered) * 0.99) - 1, 0)]
    print(
        f"{name}: n {len(ordered)}, p50 {statistics.median(ordered):.1f} ms, "
        f"p99 {p99:.1f} ms, worst {ordered[-1]:.1f} ms"
    )


async def finished(client: httpx2.AsyncClient, paths: list[str]) -> list[list[str]]:
    """How each try of each job ended."""
    found = []
    for path in paths:
        while (await client.get(path)).json()["state"] in (  # noqa: ASYNC110
            "queued",
            "running",
        ):
            await asyncio.sleep(0.1)
        tries = (await client.get(f"{path}/attempts")).json()["items"]
        found.append([one["outcome"] for one in tries])
    return found


async def measure(url: str, key: str, redis: Redis, seconds: float) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(base_url=url, timeout=60) as nobody,
        httpx2.AsyncClient(base_url=url, timeout=60, headers=headers) as user,
    ):
        await send_jobs(user, time.perf_counter() + 0.1)
        until = time.perf_counter() + seconds
        told("healthz, Redis there", await ask(nobody, "/healthz", until))
        with redis.frozen():
            until = time.perf_counter() + seconds
            health, counted, (paths, sent) = await asyncio.gather(
                ask(nobody, "/healthz", until),
                ask(user, "/api/version", until),
                send_jobs(user, until),
            )
        told("healthz, Redis stopped", health)
        told("counted requests, Redis stopped", counted)
        told("jobs taken, Redis stopped", sent)
        ends = await finished(user, paths)
        once = sum(tries == ["succeeded"] for tries in ends)
        print(f"jobs that ran exactly once when Redis woke: {once} of {len(ends)}")


def stop(pid: int) -> float:
    """Seconds from SIGTERM to the end of a child of ours."""
    started = time.perf_counter()
    os.kill(pid, signal.SIGTERM)
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.01)
    return time.perf_counter() - started


def run(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        quick.train(folder)
        redis = stack.enter_context(Redis(folder).running())
        url, key, pid = quick.start_foretell(
            stack,
            folder,
            pinned=False,
            FORETELL_EXECUTOR="celery",
            FORETELL_REDIS_URL=redis.url,
            FORETELL_RATE_LIMIT="100000/second",
        )
        asyncio.run(measure(url, key, redis, seconds))
        with redis.frozen():
            httpx2.get(f"{url}/api/version").raise_for_status()
            print(f"SIGTERM, Redis stopped: the end after {stop(pid):.1f} s")


if __name__ == "__main__":
    run(10)
