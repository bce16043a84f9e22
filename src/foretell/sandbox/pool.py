"""Run functions on untrusted content in child processes, from asyncio.

    async with Sandbox(preload=["package.reading"]) as sandbox:
        result = await sandbox.run(
            "package.reading:read", ReadRequest(...), ReadResult, read=[upload]
        )

A Sandbox belongs to the event loop that uses it first. A synchronous worker keeps
one `asyncio.Runner` and calls `runner.run(sandbox.run(...))` on it; the thread that
made the first call must live as long as the sandbox, because the kernel ends the
zygote with that thread.
"""

import asyncio
import contextlib
import inspect
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar, cast

import msgspec

from foretell.sandbox.errors import ChildCrashed, ChildTimedOut, SandboxIncomplete
from foretell.sandbox.forking import ForkLauncher, can_fork
from foretell.sandbox.launchers import Launcher, SpawnLauncher, environment
from foretell.sandbox.level import level
from foretell.sandbox.messages import Confinement, Order, Progress, Result
from foretell.sandbox.process import ChildProcess, start_child
from foretell.sandbox.server import SandboxedServer

__all__ = ["Sandbox", "SandboxedServer"]

_R = TypeVar("_R")
_P = TypeVar("_P", bound=msgspec.Struct)

StrPath = str | os.PathLike[str]

_GIB = 1 << 30
# One run is work for later; the server and its model hosts answer first.
_NICENESS = 5


class Sandbox:
    """Children that may open what nobody trusts.

    Args:
        preload: Modules that are imported once, before children are forked. They
            must not compute or start threads when imported.
        require: Refuse to run anything unless every part of the sandbox holds.
        threads: Threads that each native library may use in a child.
        readable: Files and folders that every child may read besides its own.
        variables: More of the environment of every child.
        fork: False starts a fresh process for each child, as on systems where a
            zygote does not work.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = (),
        require: bool = False,
        threads: int = 2,
        readable: Sequence[StrPath] = (),
        variables: Mapping[str, str] | None = None,
        fork: bool = True,
    ) -> None:
        self._preload = list(preload)
        self._require = require
        self._readable = _absolute(readable)
        self._variables = environment(threads) | dict(variables or {})
        self._forks = fork and can_fork()
        self._launcher: Launcher | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = asyncio.Lock()
        self._servers: set[SandboxedServer] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Make ready to run; `run` and `spawn` do it when nobody has.

        Raises:
            SandboxIncomplete: This machine cannot run children at all, or lacks a
                part and `require` is set.
            SandboxLost: A module to preload cannot be imported.
        """
        await self._ready()

    async def close(self) -> None:
        """Kill every child and wait until all are gone; may be started again."""
        for server in list(self._servers):
            await server.close()
        launcher, self._launcher, self._loop = self._launcher, None, None
        if launcher is not None:
            await launcher.close()

    async def run(
        self,
        function: str,
        request: msgspec.Struct,
        result_type: type[_R],
        *,
        read: Sequence[StrPath] = (),
        write: Sequence[StrPath] = (),
        memory_bytes: int = 2 * _GIB,
        is_tight: bool = False,
        cpu_seconds: int | None = None,
        timeout_seconds: float = 300.0,
        file_bytes: int | None = None,
        on_progress: Callable[[_P], Awaitable[None] | None] | None = None,
        progress_type: type[_P] | None = None,
    ) -> _R:
        """Call a function in a new child and return what it returned.

        Cancelling the call kills the child at once.

        Args:
            function: `package.module:function`; called with the request and a
                `report` function that takes progress structs.
            request: Of a class at the top level of a module.
            read: Files and folders it may read.
            write: Files and folders it may change, none of which should hold links.
                The first folder becomes its working and temporary folder.
            memory_bytes: Memory of its own above which it is killed.
            is_tight: Also refuse it, at once, an allocation beyond that.
            cpu_seconds: Processor time of all its threads, None without limit.
            timeout_seconds: Time by the clock, imports in the child included.
            file_bytes: Largest file it may write, None without limit.
            on_progress: Gets each reported struct, in order.
            progress_type: Class of the reported structs.

        Raises:
            ForetellError: What the child raised, or one of `sandbox.errors`.
        """
        if (on_progress is None) is not (progress_type is None):
            raise TypeError("on_progress and progress_type go together.")
        confinement = msgspec.structs.replace(
            self._confinement(read, write, memory_bytes),
            is_tight=is_tight,
            cpu_seconds=cpu_seconds,
            file_bytes=file_bytes,
            niceness=_NICENESS,
        )
        order = Order(function, _dotted(type(request)), confinement)
        async with self._child(order) as child:
            try:
                async with asyncio.timeout(timeout_seconds) as clock:
                    await child.send(request)
                    raw = await _answer(child, on_progress, progress_type)
            except TimeoutError:
                if clock.expired():
                    raise ChildTimedOut(timeout_seconds) from None
                raise
        try:
            return msgspec.msgpack.decode(raw, type=result_type)
        except msgspec.MsgspecError as error:
            raise ChildCrashed(type(error).__name__, str(error)) from error

    async def spawn(
        self,
        function: str,
        request: msgspec.Struct,
        *,
        read: Sequence[StrPath] = (),
        write: Sequence[StrPath] = (),
        memory_bytes: int = 2 * _GIB,
        niceness: int = 0,
    ) -> SandboxedServer:
        """Start a long-lived child and return once its doors are closed.

        Args:
            function: `package.module:function`; called with the request and a
                blocking stream socket to the parent. When it returns, the child
                ends.
            niceness: How far it stands back for others, 0 to 19.

        Raises:
            ForetellError: The function cannot be imported or the child not confined.
        """
        confinement = msgspec.structs.replace(
            self._confinement(read, write, memory_bytes), niceness=niceness
        )
        order = Order(function, _dotted(type(request)), confinement)
        launcher = await self._ready()
        sock, theirs = socket.socketpair()
        try:
            with theirs:
                child = await start_child(launcher, order, theirs)
            server = await SandboxedServer.open(child, request, sock)
        except BaseException:
            sock.close()
            raise
        self._servers.add(server)
        server.on_exit(lambda: self._servers.discard(server))
        return server

    def _confinement(
        self, read: Sequence[StrPath], write: Sequence[StrPath], memory_bytes: int
    ) -> Confinement:
        return Confinement(
            read=[*_absolute(read), *self._readable],
            write=_absolute(write),
            memory_bytes=memory_bytes,
            require=self._require,
        )

    @contextlib.asynccontextmanager
    async def _child(self, order: Order) -> AsyncIterator[ChildProcess]:
        child = await start_child(await self._ready(), order)
        try:
            yield child
        finally:
            await child.end()

    async def _ready(self) -> Launcher:
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            raise RuntimeError("A Sandbox belongs to one event loop; make another.")
        async with self._starting:
            if self._launcher is None or not self._launcher.is_alive:
                self._loop = loop
                await self._replace_launcher()
            return cast(Launcher, self._launcher)

    async def _replace_launcher(self) -> None:
        held = level()
        if sys.platform == "win32" or (self._require and not held.complete):
            raise SandboxIncomplete(held.missing, held.note)
        if self._launcher is not None:
            await self._launcher.close()
        launcher: Launcher = (
            ForkLauncher(self._preload, self._variables)
            if self._forks
            else SpawnLauncher(self._variables)
        )
        await launcher.start()
        self._launcher = launcher


async def _answer(
    child: ChildProcess,
    on_progress: Callable[[_P], Awaitable[None] | None] | None,
    progress_type: type[_P] | None,
) -> msgspec.Raw:
    async for message in child.messages():
        if isinstance(message, Result):
            return message.value
        if isinstance(message, Progress) and on_progress and progress_type:
            await _note(message, on_progress, progress_type)
    return await child.explain_end()


async def _note(
    message: Progress,
    on_progress: Callable[[_P], Awaitable[None] | None],
    progress_type: type[_P],
) -> None:
    try:
        value = msgspec.msgpack.decode(message.value, type=progress_type)
    except msgspec.MsgspecError as error:
        raise ChildCrashed(type(error).__name__, str(error)) from error
    waiting = on_progress(value)
    if inspect.isawaitable(waiting):
        await waiting
    # Others get their turn even while frames are waiting in the buffer.
    await asyncio.sleep(0)


def _absolute(paths: Sequence[StrPath]) -> list[str]:
    return [os.path.abspath(path) for path in paths]


def _dotted(request_type: type) -> str:
    if "<locals>" in request_type.__qualname__:
        raise TypeError(f"{request_type.__qualname__} is not importable by a child.")
    return f"{request_type.__module__}:{request_type.__qualname__}"
