"""What starts children, and the way that works everywhere: one fresh process each.

The faster way, forking from a zygote, stands in forking.py.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

_KEPT_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")


class Handle(Protocol):
    """A started child, as its launcher knows it.

    Attributes:
        pid: Process id, for looking at it only.
        exited: Becomes the return code (negative: signal) once the child is reaped,
            or None when whoever would reap it is gone (then the child is, too).
    """

    pid: int
    exited: asyncio.Future[int | None]

    def kill(self) -> None:
        """End the process at once; nothing happens when it has ended."""
        ...


class Launcher(Protocol):
    """Starts children for the running event loop."""

    @property
    def is_alive(self) -> bool: ...

    async def start(self) -> None: ...

    async def launch(self, descriptors: Sequence[int]) -> Handle:
        """Start a child that keeps these: channel, error output, served socket.

        Raises:
            SandboxLost: The system has no room for another process.
        """
        ...

    async def close(self) -> None: ...


def environment(threads: int) -> dict[str, str]:
    """Build the whole environment of a child, with nothing of the server's in it."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    count = str(threads)
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        **kept,
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),
        "POLARS_MAX_THREADS": count,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "RAYON_NUM_THREADS": count,
        "LOKY_MAX_CPU_COUNT": count,
        # Its thread pool wants a semaphore in shared memory, which a child may not
        # make; like this a forest that was stored with n_jobs=-1 predicts in turn.
        "JOBLIB_MULTIPROCESSING": "0",
        # OpenBLAS starts its threads on import, which is before the fork.
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def start_python(
    module: str,
    descriptors: Sequence[int],
    variables: Mapping[str, str],
    *,
    output: int,
    errors: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a Python module that inherits descriptors, named in its arguments.

    It sees no current folder and no user packages, has nothing to read, and stays
    out of the terminal's session, so that Ctrl-C reaches the server alone.
    """
    numbers = map(str, descriptors)
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-s", "-m", module, *numbers],
        env=variables,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        pass_fds=descriptors,
        start_new_session=True,
    )


class SpawnLauncher:
    """A fresh interpreter for each child: seconds of imports, but on any POSIX.

    Args:
        variables: The environment of each child.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = dict(variables)
        self._running: set[_Spawned] = set()

    @property
    def is_alive(self) -> bool:
        return True

    async def start(self) -> None:
        """Do nothing: there is no process between the parent and a child."""

    async def launch(self, descriptors: Sequence[int]) -> Handle:
        channel, errors, *served = descriptors
        process = start_python(
            "foretell.sandbox.child",
            [channel, *served],
            self._variables,
            output=errors,
            errors=errors,
        )
        spawned = _Spawned(process)
        self._running.add(spawned)
        spawned.exited.add_done_callback(lambda _: self._running.discard(spawned))
        return spawned

    async def close(self) -> None:
        running = list(self._running)
        for spawned in running:
            spawned.kill()
        await asyncio.gather(*(spawned.exited for spawned in running))


class _Spawned:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self.exited: asyncio.Future[int | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._process = process
        threading.Thread(
            target=self._wait, name=f"wait-{process.pid}", daemon=True
        ).start()

    def kill(self) -> None:
        self._process.kill()

    def _wait(self) -> None:
        code = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop has ended before the child
            self.exited.get_loop().call_soon_threadsafe(self._set, code)

    def _set(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)
