"""The same three figures for every engine: enqueue, throughput, dispatch from idle.

Enqueue: jobs a second while no worker runs. Throughput: from the first to the last
body, less the first tenth (start-up). Dispatch: from just before the enqueue call to
the job's body, one job at a time with pauses between them. CPU seconds are those of
the worker's whole process tree.
"""

import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.marks import Marks

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60.0
Figures = dict[str, float]


def measure(
    marks: Marks,
    send: Callable[[int], object],
    start: Callable[[], "subprocess.Popen[bytes]"],
    jobs: int,
    samples: int,
) -> Figures:
    """Measure an engine whose `send` is a plain call and whose worker is a process."""
    send(-1)  # connects
    began = time.monotonic()
    for number in range(jobs):
        send(number)
    enqueue = jobs / (time.monotonic() - began)
    worker = start()
    try:
        if not marks.wait(1, _START_SECONDS):
            raise TimeoutError("the worker never began")
        before = tree_cpu_seconds(worker.pid)
        seen = marks.count()
        if not marks.wait(jobs + 1, 300):
            raise TimeoutError(f"{marks.count()} of {jobs + 1} jobs ran")
        cpu = (tree_cpu_seconds(worker.pid) - before) / max(1, jobs + 1 - seen)
        rate = throughput(marks)
        idle: list[float] = []
        for number in range(jobs, jobs + samples):
            time.sleep(pause())
            called = time.monotonic()
            send(number)
            if marks.wait(number + 2, 30):
                idle.append(marks.read()[-1][1] - called)
    finally:
        worker.terminate()
        worker.wait(20)
    return figures(enqueue, rate, cpu, idle)


def pause() -> float:
    return random.uniform(0.05, 0.15)  # noqa: S311


def throughput(marks: Marks) -> float:
    """Jobs a second over what `marks` hold now, less the first tenth."""
    moments = [at for _, at in marks.read()]
    moments = moments[len(moments) // 10 :]
    return (len(moments) - 1) / (moments[-1] - moments[0])


def figures(enqueue: float, rate: float, cpu: float, idle: list[float]) -> Figures:
    idle = sorted(idle)
    return {
        "enqueue": enqueue,
        "jobs": rate,
        "cpu_us": cpu * 1e6,
        "p50_ms": 1e3 * statistics.median(idle),
        "p99_ms": 1e3 * idle[min(len(idle) - 1, int(0.99 * len(idle)))],
    }


def tree_cpu_seconds(pid: int) -> float:
    """User and system time so far of a process and its living descendants, and of
    the children they have buried (Linux)."""
    parents: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        child = int(stat.parent.name)
        parents.setdefault(int(fields[1]), []).append(child)
        spent[child] = sum(int(n) for n in fields[11:15]) / _TICKS
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        total += spent.get(one, 0.0)
        waiting += parents.get(one, [])
    return total
