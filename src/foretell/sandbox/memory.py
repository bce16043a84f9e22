"""How much memory a child holds, seen from outside.

Only memory of its own counts: private and shared anonymous pages. Mapped files are
left out, because the kernel drops them when it needs room.
"""

import asyncio
import re
from pathlib import Path

LOOK_SECONDS = 0.2
_SHORTEST_LOOK_SECONDS = 0.02
_FILLED_A_SECOND = 4 << 30  # more than one thread can touch

_RESIDENT = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)
_PROPORTIONAL = re.compile(rb"^Pss_(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)


async def wait_until_above(pid: int, limit_bytes: int) -> None:
    """Look again and again, and return once the process is above the limit.

    The nearer it is the sooner the next look, so that what fills memory as fast as a
    machine can is stopped within some percent. The cheap count includes pages still
    shared with the zygote, so only a process above the limit by it gets the exact
    count, which walks all its pages.
    """
    shared = resident_bytes(pid)
    while True:
        held = resident_bytes(pid)
        await asyncio.sleep(_until_next_look(limit_bytes - held))
        held = resident_bytes(pid)
        if held <= limit_bytes:
            continue
        if held - shared > limit_bytes:
            return
        exact = await asyncio.to_thread(proportional_bytes, pid)
        if exact is None or exact > limit_bytes:
            return


def _until_next_look(room_bytes: int) -> float:
    return min(LOOK_SECONDS, max(_SHORTEST_LOOK_SECONDS, room_bytes / _FILLED_A_SECOND))


def resident_bytes(pid: int) -> int:
    """Return the memory of a process, shared pages in full; 0 when it is gone."""
    return _sum(pid, "status", _RESIDENT) or 0


def proportional_bytes(pid: int) -> int | None:
    """Return the memory of a process, shared pages in parts; None: cannot tell."""
    return _sum(pid, "smaps_rollup", _PROPORTIONAL)


def _sum(pid: int, name: str, pattern: re.Pattern[bytes]) -> int | None:
    try:
        text = Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it ended, may not be looked into, or there is no /proc
        return None
    return 1024 * sum(int(size) for size in pattern.findall(text))
