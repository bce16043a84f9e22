"""Somebody who asks for the same page again and again, in a process of their own.

`python -m benchmarks.neighbour URL` asks every 20 ms, with the key in
`NEIGHBOUR_KEY`, until its standard input ends, and then prints the milliseconds of
each answer as JSON. In the process of a benchmark its questions would wait for what
else that process does.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

EVERY_SECONDS = 0.02


@dataclass(slots=True)
class Waits:
    """What somebody waited, in milliseconds; filled when the block ends."""

    p50: float = 0.0
    p99: float = 0.0
    count: int = 0

    def take(self, milliseconds: list[float]) -> None:
        times = sorted(milliseconds)
        self.p50 = statistics.median(times)
        self.p99 = times[max(int(len(times) * 0.99) - 1, 0)]
        self.count = len(times)


@contextmanager
def asking(url: str, key: str) -> Iterator[Waits]:
    """Ask for `url` beside the block."""
    waits = Waits()
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.neighbour", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "NEIGHBOUR_KEY": key},
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()  # it has asked for the first time
        yield waits
        process.stdin.close()
        waits.take(json.loads(process.stdout.read()))


def main() -> None:
    url, is_over = sys.argv[1], threading.Event()
    threading.Thread(
        target=lambda: (sys.stdin.buffer.read(), is_over.set()), daemon=True
    ).start()
    headers = {"Authorization": f"Bearer {os.environ['NEIGHBOUR_KEY']}"}
    milliseconds = []
    with httpx2.Client(headers=headers, timeout=120) as client:
        client.get(url).raise_for_status()
        print("asking", flush=True)
        while not is_over.wait(EVERY_SECONDS):
            started = time.perf_counter()
            client.get(url).raise_for_status()
            milliseconds.append((time.perf_counter() - started) * 1000)
    print(json.dumps(milliseconds))


if __name__ == "__main__":
    main()
