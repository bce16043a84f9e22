"""Starts a contender, checks its answers, and loads it."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import trees
from benchmarks.serving.contenders import Asked, Chances, Contender, Started
from benchmarks.serving.data import Row

SERVER_CPU, LOAD_CPU = 0, 1
START_SECONDS = 300.0
WARM_UP_SECONDS = 1
TOLERANCE = 1e-4
"""Graphs in single precision are held to it; a wrong model is off by far more."""
SCRIPT = Path(__file__).with_name("load.lua")
Figures = dict[str, float]


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


@dataclass(frozen=True)
class Running:
    """A contender that serves one model."""

    contender: Contender
    started: Started
    url: str
    process: subprocess.Popen[bytes]
    start_seconds: float

    def answer(self, asked: Asked) -> Chances:
        headers = {"Content-Type": "application/json"}
        if self.started.token:
            headers["Authorization"] = f"Bearer {self.started.token}"
        request = urllib.request.Request(  # noqa: S310
            self.url + asked.path, asked.body, headers
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return self.contender.read(json.load(answer))


@contextmanager
def serving(
    contender: Contender, started: Started, port: int, first: Asked
) -> Iterator[Running]:
    """Run a prepared contender until the block ends.

    Args:
        first: What it has to answer before it counts as started.
    """
    begun = time.perf_counter()
    with (Path(os.environ.get("BENCH_LOG", os.devnull))).open("ab") as log:
        process = subprocess.Popen(
            started.command,
            env={**os.environ, **started.environment},
            cwd=started.folder,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        running = Running(contender, started, url, process, 0.0)
        _await_answer(running, first)
        took = time.perf_counter() - begun
        trees.pin(process.pid, SERVER_CPU)
        yield Running(contender, started, url, process, took)
    finally:
        trees.end(process)


def _await_answer(running: Running, first: Asked) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        if running.process.poll() is not None:
            code = running.process.returncode
            raise RuntimeError(f"it ended with {code} before it answered")
        try:
            running.answer(first)
            return
        except urllib.error.HTTPError as error:
            failure = f"{error.code} {error.read()[:500].decode('utf-8', 'replace')}"
        except OSError as error:
            failure = str(error)
        if time.monotonic() > until:
            raise RuntimeError(f"no answer in {START_SECONDS:.0f} s: {failure}")
        time.sleep(0.01)


def demand_same(
    running: Running, model: str, rows: Sequence[Row], wanted: Chances
) -> None:
    """Return if it answers as scikit-learn does, row by row and all at once."""
    ask = running.contender.ask
    found = running.answer(ask(model, rows))
    alone = [running.answer(ask(model, [row]))[0] for row in rows[:10]]
    first = zip(wanted[: len(alone)], alone, strict=True)
    for expected, given in [*zip(wanted, found, strict=True), *first]:
        if max(abs(a - b) for a, b in zip(expected, given, strict=True)) > TOLERANCE:
            raise RuntimeError(f"it answers {given}, scikit-learn {expected}")


def measure(
    running: Running, asked: Asked, folder: Path, *, connections: int, seconds: int
) -> Figures:
    """Figures per request; CPU is that of all processes of the server."""
    body = folder / "body.json"
    body.write_bytes(asked.body)
    url = running.url + asked.path
    _wrk(url, body, running.started.token, connections, WARM_UP_SECONDS)
    trees.pin(running.process.pid, SERVER_CPU)  # those that came meanwhile
    before = trees.cpu_seconds(running.process.pid)
    found = _wrk(url, body, running.started.token, connections, seconds)
    if not found["requests"]:  # too slow, or too busy, for one answer in that time
        found = _wrk(url, body, running.started.token, connections, 5 * seconds)
    taken = trees.cpu_seconds(running.process.pid) - before
    if found["errors"] or not found["requests"]:
        raise RuntimeError(f"{running.contender.name} at {connections}: {found}")
    return {
        "per_second": found["requests"] / found["seconds"],
        "cpu_us": taken / found["requests"] * 1e6,
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
    }


def _wrk(url: str, body: Path, token: str, connections: int, seconds: int) -> Figures:
    command = ["taskset", "--cpu-list", str(LOAD_CPU), "wrk", "--threads", "1"]
    command += ["--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--timeout", "20s", "--latency", "--script", str(SCRIPT), url]
    environment = {"BENCH_BODY": str(body)}
    if token:
        environment["BENCH_TOKEN"] = token
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            found: Figures = json.loads(line.removeprefix("RESULT "))
            return found
    raise RuntimeError(f"wrk: {done.stdout[-500:]}")
