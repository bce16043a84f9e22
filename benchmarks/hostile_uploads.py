"""`make bench-hostile`: what others wait while hostile files are uploaded.

Every file of `tests/acceptance/test_hostile_uploads.py` is sent, one after the other,
while somebody else asks for a page of rows every 20 ms over a connection of their own.
Printed: each file's answer, seconds and the memory of its child; then p50 and p99 of
the neighbour in rest and meanwhile, and their ratio (goal: p99 at most twice). The
files are made before anybody is measured.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

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

from benchmarks.neighbour import Waits, asking

ROWS = "id,name\n" + "".join(f"{n},name {n}\n" for n in range(10_000))


def in_rest(url: str, key: str, seconds: float) -> Waits:
    with asking(url, key) as waits:
        time.sleep(seconds)
    return waits


def besieged(
    server: Server, url: str, key: str, files: list[tuple[Hostile, bytes]]
) -> Waits:
    assert server.process is not None
    with asking(url, key) as waits, server.client(key) as sender:
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
    return waits


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
            url = f"{server.url}/api/datasets/calm/rows?limit=50"
            before = in_rest(url, key, options.seconds)
            during = besieged(server, url, key, files)
            after = in_rest(url, key, options.seconds)
    for name, waits in (
        ("rest", before),
        ("meanwhile", during),
        ("rest again", after),
    ):
        print(
            f"{name:11} n {waits.count:6}  p50 {waits.p50:7.1f} ms"
            f"  p99 {waits.p99:7.1f} ms"
        )
    calm = max(before.p99, after.p99)
    print(f"p99 meanwhile / in rest: {during.p99 / calm:.2f}", end="")
    print(f"  (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors)")


if __name__ == "__main__":
    main()
