"""A child that stays: it serves on a socket until it is killed or returns."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TypeVar

import msgspec

from foretell.errors import ForetellError
from foretell.sandbox.errors import ChildCrashed
from foretell.sandbox.level import SandboxLevel
from foretell.sandbox.messages import Confined, Result
from foretell.sandbox.process import ChildProcess

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)


class SandboxedServer:
    """A long-lived child. Made by `Sandbox.spawn`.

    Attributes:
        pid: Its process id.
        level: The parts of the sandbox that hold it.
        sock: The parent's end of its socket, non-blocking. `connect` and
            `open_streams` wrap it; whoever wraps it otherwise closes that first.
        exited: Set once the process is gone.
        error: Why it ended; None while it lives, when its function returned, and
            when it was killed from here.
    """

    def __init__(
        self, child: ChildProcess, level: SandboxLevel, sock: socket.socket
    ) -> None:
        self.pid = child.pid
        self.level = level
        self.sock = sock
        self.exited = asyncio.Event()
        self.error: ForetellError | None = None
        self._child = child
        self._killed = False
        self._transport: asyncio.BaseTransport | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._follower = asyncio.create_task(self._follow())

    @classmethod
    async def open(
        cls, child: ChildProcess, request: msgspec.Struct, sock: socket.socket
    ) -> "SandboxedServer":
        """Send the request and wait until the child is confined."""
        try:
            await child.send(request)
            async for message in child.messages():
                if isinstance(message, Confined):
                    sock.setblocking(False)
                    return cls(child, message.level, sock)
            await child.explain_end()
        except BaseException:
            await child.end()
            raise

    @property
    def alive(self) -> bool:
        return not self.exited.is_set()

    async def connect(self, factory: Callable[[], _Protocol]) -> _Protocol:
        """Speak to the child through a protocol of your own; once."""
        loop = asyncio.get_running_loop()
        self._transport, protocol = await loop.create_unix_connection(
            factory, sock=self.sock
        )
        return protocol

    async def open_streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Speak to the child through streams; once. `close` closes them."""
        reader, writer = await asyncio.open_unix_connection(sock=self.sock)
        self._transport = writer.transport
        return reader, writer

    def kill(self) -> None:
        """End it at once; `exited` is set soon after."""
        self._killed = True
        self._child.kill()

    def on_exit(self, callback: Callable[[], None]) -> None:
        """Have a function called once the process is gone."""
        self._callbacks.append(callback)

    async def close(self) -> None:
        """Kill it, wait until it is gone, close the socket."""
        self.kill()
        await self.exited.wait()
        if self._transport is None:
            self.sock.close()
        else:
            self._transport.close()

    async def _follow(self) -> None:
        try:
            await self._wait_for_end()
        except ForetellError as error:
            self.error = None if self._killed else error
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await self._child.end()
            self.exited.set()
            for callback in self._callbacks:
                callback()

    async def _wait_for_end(self) -> None:
        async for message in self._child.messages():
            if isinstance(message, Result):
                return
            if not isinstance(message, Confined):
                raise ChildCrashed("UnexpectedMessage", type(message).__name__)
        await self._child.explain_end()
