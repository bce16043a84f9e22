"""`make bench-events`: how late are 100 listeners to `/api/events` told?

Jobs are submitted one after the other, each ends at once; the delay is from the
moment that its worker wrote as its end to the moment that a listener has the event.
Listeners, server and worker share the machine.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from tests.databases import throw_away
from tests.served import Server

_PAUSE_SECONDS = (0.05, 0.15)


async def listen(url: str, key: str, heard: list[tuple[float, bytes]]) -> None:
    """Note each event with the moment of its coming."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    request = f"GET /api/events HTTP/1.1\r\nHost: {at.netloc}\r\n"
    writer.write(f"{request}Authorization: Bearer {key}\r\n\r\n".encode())
    try:
        while line := await reader.readline():
            if line.startswith(b"data: "):
                heard.append((time.time(), line[6:]))
    finally:
        writer.close()


async def submit(client: httpx2.AsyncClient, jobs: int) -> None:
    body = {"task": "system.echo", "args": {"value": 1}}
    for _ in range(jobs):
        (await client.post("/api/jobs", json=body)).raise_for_status()
        await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311


async def measure(
    server: Server, key: str, listeners: int, jobs: int
) -> tuple[list[float], float]:
    """Delays in milliseconds, of each listener for each job; processor seconds of the
    server meanwhile."""
    heard: list[tuple[float, bytes]] = []
    tasks = [
        asyncio.create_task(listen(server.url, key, heard)) for _ in range(listeners)
    ]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers) as client:
        await asyncio.sleep(2)  # everybody is connected
        await submit(client, 3)
        await asyncio.sleep(1)
        heard.clear()
        before = cpu_seconds(server)
        await submit(client, jobs)
        await asyncio.sleep(2)
        spent = cpu_seconds(server) - before
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)
    return [d for moment, data in heard for d in delays(moment, data)], spent


def cpu_seconds(server: Server) -> float:
    """User and system time of the server's own process."""
    assert server.process is not None
    stat = Path(f"/proc/{server.process.pid}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def delays(moment: float, data: bytes) -> list[float]:
    job = json.loads(data)
    if job["state"] != "succeeded":
        return []
    ended = datetime.fromisoformat(job["finished_at"]).timestamp()
    return [(moment - ended) * 1000]


def run(listeners: int, jobs: int, **settings: str) -> tuple[list[float], float]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data", **settings).start()
        with server.running():
            key = server.make_admin()
            return asyncio.run(measure(server, key, listeners, jobs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--store", default="sqlite")
    options = parser.parse_args()
    if options.store == "sqlite":
        found, spent = run(options.listeners, options.jobs)
    else:
        with throw_away(options.store) as url:
            found, spent = run(options.listeners, options.jobs, database_url=url)
    wanted = options.listeners * options.jobs
    p99 = statistics.quantiles(found, n=100)[98]
    print(
        f"{options.store}: {options.listeners} listeners, {len(found)} of {wanted} "
        f"events: p50 {statistics.median(found):.0f} ms, p99 {p99:.0f} ms, "
        f"max {max(found):.0f} ms; {spent / options.jobs * 1e3:.0f} ms of the server's "
        f"processor a job; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
