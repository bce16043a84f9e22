"""`make bench-limits`: what counting callers adds to the CPU of a request.

One row to a small model over the fast path, and a read over FastAPI; without
RATE_LIMIT, counted in the process, and counted over a Redis of the run. The servers
take turns, so the ratios say something on a busy machine too. CPU is that of the API
process; Redis's own comes on top, on its own core or machine.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import processes, quick
from benchmarks.versus.brokers import Redis

LOAD_CPU = 0
NO_LIMIT = "100000/second"


def start(stack: ExitStack, folder: Path) -> dict[str, tuple[str, str, int]]:
    """Three servers with the same model: URL, key and process of each."""
    redis = stack.enter_context(Redis(folder).running())
    counted = {"FORETELL_RATE_LIMIT": NO_LIMIT}
    kinds: dict[str, dict[str, str]] = {
        "off": {},
        "process": counted,
        "redis": {**counted, "FORETELL_REDIS_URL": redis.url},
    }
    found = {}
    for name, settings in kinds.items():
        place = folder / name
        place.mkdir()
        shutil.copy(folder / "model.joblib", place)
        found[name] = quick.start_foretell(stack, place, **settings)
    return found


def cpu_microseconds(
    server: tuple[str, str, int], row: Any, *, predict: bool, count: int, at_once: int
) -> tuple[float, float]:
    """CPU of one request in microseconds, and the median time in milliseconds."""
    url, key, pid = server
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    path = "/api/models/bench/predict" if predict else "/api/version"
    before = processes.cpu_seconds(pid)
    found = processes.load(
        url + path,
        method="POST" if predict else "GET",
        headers=headers,
        body=json.dumps({"rows": [row]}) if predict else "",
        connections=at_once,
        count=count,
        cpu=LOAD_CPU,
    )
    spent = processes.cpu_seconds(pid) - before
    return spent / found["requests"] * 1e6, found["p50_ms"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=5_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        row = quick.train(folder)
        servers = start(stack, folder)
        print("what | at once | counted | CPU us | ratio | p50 ms")
        for predict in (True, False):
            for at_once in (1, 32):
                show(servers, row, predict, at_once, options)


def show(
    servers: dict[str, tuple[str, str, int]],
    row: Any,
    predict: bool,
    at_once: int,
    options: argparse.Namespace,
) -> None:
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    count = options.count if at_once > 1 else options.count // 4
    for turn in range(options.rounds + 1):
        for name, server in servers.items():
            found = cpu_microseconds(
                server, row, predict=predict, count=count, at_once=at_once
            )
            if turn:  # the first one warms up
                seen[name].append(found)
    bare = statistics.median(cpu for cpu, _ in seen["off"])
    for name, samples in seen.items():
        cpu = statistics.median(cpu for cpu, _ in samples)
        p50 = statistics.median(p50 for _, p50 in samples)
        what = "predict" if predict else "version"
        print(f"{what} | {at_once} | {name} | {cpu:.0f} | {cpu / bare:.2f} | {p50:.2f}")


if __name__ == "__main__":
    main()
