"""`make bench-hostile`: what others wait while hostile files are uploaded.

Every file of `tests/acceptance/test_hostile_uploads.py` is sent, one after the other,
while somebody else asks for a page of rows every 20 ms over a connection of their own.
Printed: each file's answer, seconds and the memory of its child; then p50 and p99 of
the neighbour in rest and meanwhile, and their ratio (goal: p99 at most twice). The
files are made before anybody is measured.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx2
from tests.acceptance.conftest import first_admin
from tests.acceptance.test_hostile_uploads import (
    CASES,
    LARGEST_UPLOAD,
    MIB,
    WORKER_MEMORY,
    Hostile,
    MemoryWatch,
    send,
)
from tests.served import Server, unique

EVERY_SECONDS = 0.02
ROWS = "id,name\n" + "".join(f"{n},name {n}\n" for n in range(10_000))


class Neighbour(threading.Thread):
    """Asks for a page of rows again and again and keeps the milliseconds."""

    def __init__(self, client: httpx2.Client) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.is_over = threading.Event()
        self.milliseconds: list[float] = []

    def run(self) -> None:
        while not self.is_over.wait(EVERY_SECONDS):
            started = time.perf_counter()
            answer = self.client.get("/api/datasets/calm/rows?limit=50")
            answer.raise_for_status()
            self.milliseconds.append((time.perf_counter() - started) * 1000)

    def finish(self) -> tuple[float, float, int]:
        """p50, p99 and how many."""
        self.is_over.set()
        self.join(120)
        times = sorted(self.milliseconds)
        at = max(int(len(times) * 0.99) - 1, 0)
        return statistics.median(times), times[at], len(times)


def in_rest(server: Server, key: str, seconds: float) -> tuple[float, float, int]:
    with server.client(key) as client:
        neighbour = Neighbour(client)
        neighbour.start()
        time.sleep(seconds)
        return neighbour.finish()


def besieged(
    server: Server, key: str, files: list[tuple[Hostile, bytes]]
) -> tuple[float, float, int]:
    assert server.process is not None
    with server.client(key) as client, server.client(key) as sender:
        neighbour = Neighbour(client)
        neighbour.start()
        for case, content in files:
            watch = MemoryWatch(server.process.pid)
            watch.start()
            started = time.perf_counter()
            answer = send(sender, unique("hostile"), content, case.options)
            seconds = time.perf_counter() - started
            own = watch.finish()
            assert server.process.poll() is None, "the server ended"
            print(
                f"{case.row} {case.what:44} {len(content) / MIB:7.2f} MiB  "
                f"{answer.status_code} {seconds:5.1f} s {own // MIB:5} MiB",
                flush=True,
            )
        return neighbour.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="of rest")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    options = parser.parse_args()
    cases = [parameter.values[0] for parameter in CASES]
    files = [(case, case.make()) for case in cases if options.only in case.row]
    with tempfile.TemporaryDirectory() as temporary:
        server = Server(
            Path(temporary) / "data",
            worker_memory=str(WORKER_MEMORY),
            max_upload_bytes=str(LARGEST_UPLOAD),
        )
        with server.start().running():
            key = first_admin(server)
            with server.client(key) as client:
                send(client, "calm", ROWS.encode())
            before = in_rest(server, key, options.seconds)
            during = besieged(server, key, files)
            after = in_rest(server, key, options.seconds)
    for name, (p50, p99, count) in (
        ("rest", before),
        ("meanwhile", during),
        ("rest again", after),
    ):
        print(f"{name:11} n {count:6}  p50 {p50:7.1f} ms  p99 {p99:7.1f} ms")
    calm = max(before[1], after[1])
    print(f"p99 meanwhile / in rest: {during[1] / calm:.2f}", end="")
    print(f"  (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors)")


if __name__ == "__main__":
    main()
