"""The parent's side of the zygote: start it, have it fork, hear who ended."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from foretell.sandbox.errors import SandboxLost
from foretell.sandbox.launchers import Handle, start_python
from foretell.sandbox.messages import (
    Broken,
    Exited,
    Fork,
    Forked,
    FromZygote,
    NotForked,
    Preload,
    Ready,
    ToZygote,
    encode,
)

log = structlog.get_logger(__name__)

_MESSAGE_BYTES = 1 << 16
_END_SECONDS = 2.0


def can_fork() -> bool:
    """Tell whether a zygote works here: Linux with descriptors of processes."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


class ForkLauncher:
    """Children forked from a zygote that has imported what they need.

    The kernel ends the zygote when the thread that called `start` ends.

    Args:
        preload: Modules the zygote imports.
        variables: The whole environment of the zygote and its children.
    """

    def __init__(self, preload: Sequence[str], variables: Mapping[str, str]) -> None:
        self._preload = list(preload)
        self._variables = dict(variables)
        self._tickets = 0
        self._starting: dict[int, asyncio.Future[_Child]] = {}
        self._running: dict[int, _Child] = {}
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        return self._control is not None

    async def start(self) -> None:
        """Start the zygote and wait until it has imported everything.

        Raises:
            SandboxLost: A module cannot be imported, or the zygote ended.
        """
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            control.setblocking(False)
            self._control = control
            self._process = start_python(
                "foretell.sandbox.zygote",
                [theirs.fileno()],
                self._variables,
                output=subprocess.DEVNULL,
            )
        self._loop.add_reader(control, self._hear)
        try:
            await self._tell(Preload(self._preload))
            await self._ready
        except BaseException:
            await self.close()
            raise

    async def launch(self, descriptors: Sequence[int]) -> Handle:
        self._tickets += 1
        ticket = self._tickets
        started: asyncio.Future[_Child] = self._loop.create_future()
        self._starting[ticket] = started
        try:
            await self._tell(Fork(ticket), *descriptors)
        except BaseException:
            self._starting.pop(ticket, None)
            raise
        return await started

    async def close(self) -> None:
        """End the zygote, and with it all children, and wait for it."""
        process = self._process
        if process is None:
            return
        self._lose("The sandbox was closed.")
        await asyncio.shield(asyncio.to_thread(_wait, process))
        self._process = None

    async def _tell(self, message: ToZygote, *descriptors: int) -> None:
        data = [encode(message)]
        while self._control is not None:
            try:
                socket.send_fds(self._control, data, descriptors)
            except BlockingIOError:
                await asyncio.sleep(0.005)  # it is reading what came before
            except ConnectionError:
                self._lose("The process that starts children ended.")
            else:
                return
        raise SandboxLost

    def _hear(self) -> None:
        while self._control is not None:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._control, _MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except ConnectionError:
                data, descriptors = b"", []
            if data:
                message = msgspec.msgpack.decode(data, type=FromZygote)
                self._take(message, descriptors)
            else:
                self._lose("The process that starts children ended.")

    def _take(self, message: FromZygote, descriptors: list[int]) -> None:
        match message:
            case Ready(threads):
                log.info("sandbox.zygote_ready", threads=threads)
                _settle(self._ready, None)
            case Broken(module, error):
                log.error("sandbox.preload_failed", module=module, error=error)
                _fail(self._ready, f"The module {module} cannot be imported ({error}).")
            case Forked(ticket, pid):
                self._enter(ticket, _Child(pid, descriptors[0], self._loop))
            case NotForked(ticket, error):
                started = self._starting.pop(ticket)
                _fail(started, f"No child process could be started ({error}).")
            case Exited(ticket, returncode):
                self._running.pop(ticket).end(returncode)

    def _enter(self, ticket: int, child: "_Child") -> None:
        self._running[ticket] = child
        started = self._starting.pop(ticket)
        if started.done():  # whoever asked was cancelled
            child.kill()
        else:
            started.set_result(child)

    def _lose(self, reason: str) -> None:
        """Settle what waits for the zygote: it is dead, or dies by the closed socket."""
        if self._control is None:
            return
        self._loop.remove_reader(self._control)
        self._control.close()
        self._control = None
        _fail(self._ready, reason)
        for started in self._starting.values():
            _fail(started, reason)
        for child in self._running.values():
            child.kill()
            child.end(None)
        self._starting.clear()
        self._running.clear()


class _Child:
    """A forked child; its descriptor makes `kill` hit it and nobody else."""

    def __init__(self, pid: int, pidfd: int, loop: asyncio.AbstractEventLoop) -> None:
        self.pid = pid
        self.exited: asyncio.Future[int | None] = loop.create_future()
        self._pidfd = pidfd

    def kill(self) -> None:
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def end(self, returncode: int | None) -> None:
        os.close(self._pidfd)
        self.exited.set_result(returncode)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _settle(future: asyncio.Future[None], value: None) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], reason: str) -> None:
    if not future.done():
        future.set_exception(SandboxLost(reason))
        future.exception()  # nobody may be waiting; that is no mistake
