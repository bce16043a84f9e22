"""Start servers and measure what their processes took."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def foretell(
    environment: Mapping[str, str], *arguments: str, text: str | None = None
) -> str:
    """Run a command of ours and give back what it prints."""
    return subprocess.run(
        [sys.executable, "-m", "foretell", *arguments],
        env={**os.environ, **environment},
        input=text,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def cpu_seconds(pid: int) -> float:
    """User and system time of one process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def served(
    command: Sequence[str], url: str, *, cpu: int | None = None, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; enter once `url` answers 200."""
    pinned = ["taskset", "-c", str(cpu), *command] if cpu is not None else list(command)
    process = subprocess.Popen(
        pinned,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(url, process)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(url)


def load(
    url: str,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    body: str = "",
    connections: int = 64,
    count: int = 5_000,
    seconds: float | None = None,
    cpu: int | None = None,
) -> dict[str, Any]:
    """Run `benchmarks.load` in a process of its own and give back its figures."""
    asked: dict[str, Any] = {
        "url": url,
        "method": method,
        "headers": dict(headers or {}),
        "body": body,
        "connections": connections,
        "count": count,
    }
    if seconds is not None:
        asked["seconds"] = seconds
    if cpu is not None:
        asked["cpu"] = cpu
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asked).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    if found["failures"]:
        raise RuntimeError(f"{url}: {found['failures']} answers were not 200")
    return found


def measured(command: Sequence[str], **environment: str) -> dict[str, float]:
    """Run a command to its end: seconds, CPU seconds and peak MiB of its processes."""
    started = time.perf_counter()
    process = subprocess.Popen(
        list(command), env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command!r} ended with {status}")
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }
