"""Who runs a job: host, pid namespace, pid and the start time of the process.

A pid alone is reused; with its start time it names one process for ever, which is
what lets a supervisor say "this worker is dead, its jobs are free" at once instead
of waiting for a lease to pass.
"""

import os
import socket
from pathlib import Path

_UNKNOWN = "-"


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError:
        return _UNKNOWN


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return _UNKNOWN


def host_identity() -> str:
    """This host, boot and pid namespace: pids mean the same wherever it is equal."""
    boot = _first_line("/proc/sys/kernel/random/boot_id")[:8]
    return f"{socket.gethostname()[:64]}:{boot}:{_pid_namespace()}"


def _stat_fields(pid: int) -> list[str]:
    # The name in brackets may hold blanks and brackets itself: split after the last.
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def start_time(pid: int) -> str:
    """Start of the process in clock ticks since boot; `-` where /proc is absent."""
    fields = _stat_fields(pid)
    return fields[19] if len(fields) > 19 else _UNKNOWN


def worker_identity(pid: int | None = None) -> str:
    """The text stored with a job for a process of this host."""
    pid = os.getpid() if pid is None else pid
    return f"{host_identity()}/{pid}/{start_time(pid)}"


def is_local(worker: str) -> bool:
    """Whether `worker` is a process of this host, so that `is_alive` can judge."""
    return worker.rpartition("/")[0].rpartition("/")[0] == host_identity()


def is_alive(worker: str) -> bool:
    """Whether the local process still exists (a zombie does not count)."""
    _, pid_text, started = worker.rsplit("/", 2)
    pid = int(pid_text)
    if started == _UNKNOWN:
        return _answers(pid)
    fields = _stat_fields(pid)
    return len(fields) > 19 and fields[19] == started and fields[0] not in "ZX"


def is_responsive(pid: int) -> bool:
    """Whether the process is neither gone nor stopped (SIGSTOP, debugger).

    A supervisor vouches for its workers because a job in C code may hold the
    interpreter lock for longer than a lease; a stopped one gets no such help.
    """
    fields = _stat_fields(pid)
    return fields[0] not in "ZXTt" if fields else _answers(pid)


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
