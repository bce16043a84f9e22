"""The nursery and its workers, seen from the supervisor's event loop."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from foretell.core.logs import get_logger
from foretell.jobs import head_start
from foretell.jobs.identity import is_alive, worker_identity

_LAST_BREATH_SECONDS = 0.005
log = get_logger(__name__)


class NurseryDied(Exception):
    """The nursery ended before it could start a worker."""


@dataclass(slots=True)
class Child:
    """One worker process; `ended` gives its exit code (minus the signal)."""

    pid: int
    identity: str
    ended: asyncio.Future[int]

    def signal(self, number: signal.Signals) -> None:
        """SIGTERM asks the worker; SIGKILL takes its own children along."""
        with suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


class Nursery:
    """Starts the nursery process when first needed, and again when it is gone."""

    def __init__(self, composition: str, environment: Mapping[str, str] | None) -> None:
        self._composition = composition
        self._environment = environment
        self._process: asyncio.subprocess.Process | subprocess.Popen[bytes] | None
        self._process = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._asked: list[asyncio.Future[Child]] = []
        self.children: dict[int, Child] = {}

    async def spawn(self) -> Child:
        """Fork a worker.

        Raises:
            NurseryDied: The composition could not be imported, most likely; its
                traceback stands in the server's log.
        """
        asked: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        async with self._lock:
            writer = self._writer or await self._start()
            self._asked.append(asked)
            writer.write(b"spawn\n")
        return await asked

    async def _start(self) -> asyncio.StreamWriter:
        begun = head_start.take(self._composition, self._environment)
        if begun is None:
            ours = await self._execute()
        else:
            self._process, ours = begun.process, begun.channel
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._reading = asyncio.create_task(self._read(reader))
        return self._writer

    async def _execute(self) -> socket.socket:
        """Start the process; answers our end of its channel."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *head_start.command_of(self._composition, theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                env=None if self._environment is None else dict(self._environment),
                pass_fds=(theirs.fileno(),),
                # Ctrl-C is for us; we tell the workers. uvloop has no process_group.
                start_new_session=True,
            )
        return ours

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                self._hear(line.decode().split())
        async with self._lock:
            await self._bury()

    def _hear(self, words: list[str]) -> None:
        pid = int(words[1])
        if words[0] == "started":
            ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            child = Child(pid, worker_identity(pid), ended)
            self.children[pid] = child
            asked = self._asked.pop(0)
            if not asked.done():
                asked.set_result(child)
        elif pid in self.children:
            self._lost(pid, int(words[2]))

    def _lost(self, pid: int, code: int) -> None:
        child = self.children.pop(pid)
        child.signal(signal.SIGKILL)  # what it left behind in its group
        if not child.ended.done():
            child.ended.set_result(code)

    async def _bury(self) -> None:
        """The nursery is gone and so are its workers, or will be in a moment."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._kill()
        if isinstance(self._process, subprocess.Popen):
            await asyncio.to_thread(self._process.wait)
        elif self._process is not None:
            await self._process.wait()
        for child in list(self.children.values()):
            child.signal(signal.SIGKILL)
            while is_alive(child.identity):  # noqa: ASYNC110 - not our child: no event
                await asyncio.sleep(_LAST_BREATH_SECONDS)
            self._lost(child.pid, -signal.SIGKILL)
        asked, self._asked = self._asked, []
        for future in asked:
            if not future.done():
                future.set_exception(NurseryDied())

    async def close(self) -> None:
        """End the nursery; a worker that still runs is killed."""
        self._kill()
        if self._reading is not None:
            await self._reading

    def _kill(self) -> None:
        # Not `Process.kill`: it polls, and so takes the exit status away from the
        # event loop's own watcher of children.
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
