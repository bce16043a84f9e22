"""Looks at the processes of a server, and waits for its jobs."""

import time
from pathlib import Path
from typing import Any

import httpx2


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def descendants(pid: int) -> list[int]:
    """Children of a process and theirs, the nearest first."""
    everybody = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    children = [other for other in everybody if parent(other) == pid]
    return children + [p for child in children for p in descendants(child)]


def is_worker(pid: int) -> bool:
    """Workers are forked from a nursery, which has the same command."""
    return "nursery" in command(pid) and "nursery" in command(parent(pid))


def finish(client: httpx2.Client, job: str, seconds: float = 120) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found: dict[str, Any] = client.get(job).json()
        if found["state"] not in ("queued", "running"):
            return found
        time.sleep(0.1)
    raise AssertionError(f"not finished: {found}")
