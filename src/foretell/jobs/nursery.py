"""The process that workers are forked from.

A fresh interpreter needs more than a second to import what a worker needs; a fork
of one that did it before needs milliseconds, and shares the memory. So a dead
worker's job runs again at once. Forking is safe here and only here: this process
imports and composes, but never opens a connection, a loop or a thread.

It talks to the supervisor over one socket, in lines: `spawn` in, `started PID` and
`ended PID STATUS` out. The socket's end is the end of all its workers.
"""

import argparse
import asyncio
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy.orm import configure_mappers

from foretell.jobs.composition import Composition, load_composition
from foretell.jobs.worker import Worker, die_with_parent


class _Nursery:
    def __init__(self, channel: socket.socket, be_worker: Callable[[], None]) -> None:
        self._channel = channel
        self._be_worker = be_worker
        self._pids: set[int] = set()
        self._unread = b""
        self._woken, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Fork on request and report deaths until the supervisor is gone."""
        # The supervisor decides when to stop; Ctrl-C reaches every process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        while True:
            ears: list[Any] = [self._channel, self._woken]
            ready, _, _ = select.select(ears, [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self._channel in ready and not self._obey():
                break
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _obey(self) -> bool:
        try:
            received = self._channel.recv(4096)
        except ConnectionResetError:
            return False
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            if line == b"spawn":
                self._spawn()
        return bool(received)

    def _spawn(self) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._grow_up(parent)
        # Either side may come first; both do it, so that the group exists.
        with suppress(OSError):
            os.setpgid(pid, pid)
        self._pids.add(pid)
        self._say(f"started {pid}")

    def _grow_up(self, parent: int) -> None:
        """Be a worker, in the child; never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            self._channel.close()
            os.close(self._woken)
            os.close(self._wakes)
            with suppress(OSError):
                os.setpgid(0, 0)
            die_with_parent(parent)
            self._be_worker()
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        while self._pids:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._pids:
                self._pids.remove(pid)
                self._say(f"ended {pid} {os.waitstatus_to_exitcode(status)}")

    def _say(self, line: str) -> None:
        with suppress(OSError):
            self._channel.sendall(line.encode() + b"\n")


def _worker_of(composition: Composition) -> Callable[[], None]:
    async def run(parent: int) -> None:
        await Worker(composition, parent=parent).run()

    return lambda: asyncio.run(run(os.getppid()))


def main() -> None:
    """Run a nursery; the command line of the supervisor's child."""
    parser = argparse.ArgumentParser(prog="foretell-nursery")
    parser.add_argument("composition", help="package.module:function")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--wait", action="store_true", help="to be told more")
    options = parser.parse_args()
    die_with_parent(options.parent)
    sys.path.insert(0, str(Path.cwd()))
    with socket.socket(fileno=options.channel) as channel:
        if options.wait and not _is_told(channel, options.composition):
            return
        composition = load_composition(options.composition)
        composition.make_database()  # imports the driver; opens nothing
        configure_mappers()
        gc.collect()
        gc.freeze()  # keeps the collector from touching, and so copying, shared pages
        _Nursery(channel, _worker_of(composition)).serve()


def _is_told(channel: socket.socket, composition: str) -> bool:
    """Import what there is to import, then take the environment over.

    Nothing may be read past that line: what follows it are requests to fork.
    """
    import_module(composition.partition(":")[0])
    line = bytearray()
    while not line.endswith(b"\n"):
        received = channel.recv(1)
        if not received:
            return False  # the server that wanted a nursery is gone
        line += received
    os.environ.clear()
    os.environ.update(json.loads(line))
    return True


if __name__ == "__main__":
    main()
