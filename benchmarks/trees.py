"""What all processes of a server take together (Linux)."""

import os
import signal
import subprocess
import time
from pathlib import Path

from benchmarks import processes


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue  # ended meanwhile
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of all of them so far."""
    total = 0.0
    for one in tree(pid):
        try:
            total += processes.cpu_seconds(one)
        except OSError:
            continue
    return total


def memory_mib(pid: int) -> tuple[float, float]:
    """RSS of the first process; PSS of all: shared pages count once."""
    first = _kib(pid, "Rss") / 1024
    return first, sum(_kib(one, "Pss") for one in tree(pid)) / 1024


def _kib(pid: int, what: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(one.split()[1]) for one in lines if one.startswith(what)), 0)


def pin(pid: int, cpu: int) -> None:
    """Hold all threads of all of them to one core."""
    for one in tree(pid):
        command = ["taskset", "--all-tasks", "--cpu-list", "--pid", str(cpu), str(one)]
        subprocess.run(command, capture_output=True)


def end(process: subprocess.Popen[bytes], seconds: float = 15) -> None:
    """End a server and what it leaves behind."""
    started = tree(process.pid)
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    until = time.monotonic() + 3
    while (left := _alive(started)) and time.monotonic() < until:
        time.sleep(0.05)
    for one in left:
        os.kill(one, signal.SIGKILL)


def _alive(pids: list[int]) -> list[int]:
    found = []
    for one in pids:
        try:
            state = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(one)
    return found
