"""One point: a route of one contender under load, with the CPU that it took."""

import itertools
import json
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks import trees
from benchmarks.crud import database
from benchmarks.crud.check import Caller
from benchmarks.crud.contenders import LOAD_CPU, Running

ROUTES = ("list", "get", "full", "create", "patch", "bulk")
WRITES = frozenset({"create", "patch", "bulk"})
SCRIPT = Path(__file__).with_name("load.lua")
WARM_UP_SECONDS = 0.3
PATHS = 1_000
Figures = dict[str, float]
_NUMBERS = itertools.count()


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


class Point:
    """The requests of one route, ready to be sent."""

    def __init__(self, running: Running, route: str, folder: Path) -> None:
        self._running = running
        self._route = route
        contender = running.contender
        self._environment = {
            "BENCH_KIND": "paths",
            "BENCH_PATHS": contender.address,
            "BENCH_NONCE": f"{contender.name}-{route}".replace(" ", ""),
        }
        if contender.token:
            self._environment["BENCH_TOKEN"] = contender.token
        if contender.if_match is not None:
            self._environment["BENCH_IF_MATCH"] = contender.if_match
        if route in WRITES:
            self._environment["BENCH_KIND"] = route
        else:
            paths = folder / f"{contender.name}-{route}.txt".replace(" ", "")
            if not paths.exists():
                paths.write_text("\n".join(_paths(running, route)) + "\n")
            self._environment["BENCH_PATHS"] = str(paths)

    def measure(self, database_url: str, connections: int, seconds: float) -> Figures:
        """Warm up, then load for `seconds`; figures per request."""
        self._wrk(connections, WARM_UP_SECONDS, start=0)
        backends = database.backends(database_url)
        for pid in backends:
            os.sched_setaffinity(pid, {LOAD_CPU})
        pid = self._running.pid
        server, postgres = trees.cpu_seconds(pid), _cpu_of(backends)
        if self._route == "bulk":
            # A request of a hundred rows takes long, and those under way when the
            # time is over are not counted.
            seconds = max(3 * seconds, 3)
        start = database.CUSTOMERS // 2
        found = self._wrk(connections, seconds, start=start)
        if not found["requests"]:  # a machine too busy for one answer in that time
            found = self._wrk(connections, 5 * seconds, start=start)
        server = trees.cpu_seconds(pid) - server
        postgres = _cpu_of(backends) - postgres
        count = found["requests"]
        contender, failed = self._running.contender, found["errors"]
        if not count or (failed and not contender.may_fail):
            raise RuntimeError(f"{contender.name} {self._route}: {found}")
        return {
            "per_second": (count - failed) / found["seconds"],
            "failed_percent": 100 * failed / count,
            "cpu_us": server / count * 1e6,
            "database_us": postgres / count * 1e6,
            "p50_ms": found["p50_ms"],
            "p99_ms": found["p99_ms"],
        }

    def _wrk(self, connections: int, seconds: float, *, start: int) -> Figures:
        command = ["timeout", "-s", "INT", str(seconds)] if seconds % 1 else []
        whole = max(1, int(seconds + 0.999))
        command += ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}"]
        command += [
            f"-d{whole}s",
            "--latency",
            "--timeout",
            "20s",
            "-s",
            str(SCRIPT),
            self._running.url,
        ]
        done = subprocess.run(
            command,
            env={**os.environ, **self._environment, **self._beginning(start)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in done.stdout.splitlines():
            if line.startswith("RESULT "):
                found: Figures = json.loads(line.removeprefix("RESULT "))
                return found
        if seconds % 1:  # interrupted before it listened to interrupts
            return self._wrk(connections, whole, start=start)
        name = f"{self._running.contender.name} {self._route} at {connections}"
        raise RuntimeError(f"{name}: wrk: {done.stdout[-500:]}")

    def _beginning(self, start: int) -> dict[str, str]:
        """Where a load begins. Its addresses are new: what the one before left under
        way may be carried out after its rows were removed."""
        nonce = f"{self._environment['BENCH_NONCE']}-{next(_NUMBERS)}"
        return {"BENCH_START": str(start), "BENCH_NONCE": nonce}


def _cpu_of(pids: list[int]) -> float:
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / ticks


def _paths(running: Running, route: str) -> list[str]:
    address, full = running.contender.address, running.contender.full
    chosen = random.Random(7)  # the same rows for all  # noqa: S311
    if route == "get":
        numbers = chosen.sample(range(1, database.CUSTOMERS + 1), PATHS)
        return [f"{address}/{database.customer_id(n)}" for n in numbers]
    if route == "full":
        numbers = chosen.sample(range(1, database.RICH + 1), PATHS)
        return [f"{address}/{database.customer_id(n)}{full}" for n in numbers]
    with running.client() as client:
        caller = Caller(running, client)
        found = []
        for number in range(database.CITIES):
            city = database.city(number)
            cursor = caller.page(city).json()["next"]
            found += [caller.page_path(city), caller.page_path(city, cursor)]
    return found


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """In memory where the machine can: what a disk does beside must not count."""
    memory = Path("/dev/shm")  # noqa: S108
    folder = memory if os.access(memory, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="bench-crud-", dir=folder)
