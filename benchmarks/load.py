"""A small closed-loop HTTP load over keep-alive connections.

Runs in its own process, on another core than the server, so that the server's
CPU time per request is the figure. Requests are counted, not timed out of a
window: `count` requests over `connections`, each waiting for its answer.
"""

import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """What one load did: times in milliseconds, `failures` any status but 200."""

    requests: int
    failures: int
    seconds: float
    p50_ms: float
    p99_ms: float


def request_bytes(method: str, url: str, headers: dict[str, str], body: bytes) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def run(
    url: str,
    message: bytes | Sequence[bytes],
    *,
    connections: int,
    count: int,
    seconds: float = float("inf"),
) -> Load:
    """Send until `count` requests or `seconds` are over; several messages in turn."""
    messages = itertools.cycle([message] if isinstance(message, bytes) else message)
    parts = urlsplit(url)
    took: list[float] = []
    failures = 0
    left = count
    until = time.perf_counter() + seconds

    async def drive() -> None:
        nonlocal left, failures
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            while left > 0 and time.perf_counter() < until:
                left -= 1
                started = time.perf_counter()
                writer.write(next(messages))
                head = await reader.readuntil(b"\r\n\r\n")
                await _skip_body(reader, head.lower())
                took.append((time.perf_counter() - started) * 1000)
                failures += not head.startswith(b"HTTP/1.1 200")
        finally:
            writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(drive() for _ in range(connections)))
    took_seconds = time.perf_counter() - started
    ordered = sorted(took)
    return Load(
        requests=len(took),
        failures=failures,
        seconds=took_seconds,
        p50_ms=statistics.median(ordered),
        p99_ms=ordered[int(len(ordered) * 0.99) - 1],
    )


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> None:
    size = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    if size:
        await reader.readexactly(int(size))
        return
    while left := int(await reader.readline(), 16):  # chunked
        await reader.readexactly(left + 2)
    await reader.readline()


def main() -> None:
    """Read one JSON request from stdin, run it, print the `Load` as JSON."""
    asked = json.load(sys.stdin)
    if "cpu" in asked and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {asked["cpu"]})
    message = request_bytes(
        asked["method"], asked["url"], asked["headers"], asked["body"].encode()
    )
    load = asyncio.run(
        run(
            asked["url"],
            message,
            connections=asked["connections"],
            count=asked["count"],
            seconds=asked.get("seconds", float("inf")),
        )
    )
    json.dump(asdict(load), sys.stdout)


if __name__ == "__main__":
    main()
