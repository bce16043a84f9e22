"""One child as its parent sees it: messages, memory watch, and why it ended."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from typing import NoReturn, cast

import msgspec
import structlog

from foretell.errors import ForetellError
from foretell.sandbox import memory
from foretell.sandbox.errors import (
    ChildCrashed,
    ChildKilled,
    ChildOutOfMemory,
    ChildTimedOut,
    SandboxLost,
)
from foretell.sandbox.frames import FrameTooLarge, read_frame, write_frame
from foretell.sandbox.launchers import Handle, Launcher
from foretell.sandbox.messages import Crash, Message, Order, Refusal, encode
from foretell.sandbox.refusals import crashed, rebuild

log = structlog.get_logger(__name__)

_TAIL_BYTES = 8_192
# A child that floods its output must not keep the event loop busy.
_BURST_BYTES = 262_144
_PAUSE_SECONDS = 0.1

# What Rust and C++ print before they abort for want of memory.
_OUT_OF_MEMORY = ("memory allocation of ", "std::bad_alloc")


class ChildProcess:
    """A started child. Made by `start_child`; `end()` must follow."""

    def __init__(
        self,
        handle: Handle,
        order: Order,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        errors: "tuple[asyncio.BaseTransport, _Tail]",
    ) -> None:
        self.pid = handle.pid
        self._handle = handle
        self._order = order
        self._reader, self._writer = streams
        self._errors, self._tail = errors
        self._verdict: ForetellError | None = None
        self._dismissed = False
        self._watch = asyncio.create_task(self._watch_memory())

    async def send(self, request: msgspec.Struct) -> None:
        """Send the order and the request; a child that is gone is no error here."""
        write_frame(self._writer, encode(self._order))
        write_frame(self._writer, encode(request))
        try:
            await self._writer.drain()
        except ConnectionError:
            return  # `messages` will find out why

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what the child tells until it closes its end.

        Raises:
            ForetellError: It refused, crashed, or broke the protocol.
        """
        try:
            while (data := await read_frame(self._reader)) is not None:
                message = msgspec.msgpack.decode(data, type=Message)
                if isinstance(message, Refusal):
                    raise rebuild(message)
                if isinstance(message, Crash):
                    raise self._crashed(message)
                yield message
        except (FrameTooLarge, msgspec.MsgspecError) as error:
            raise ChildCrashed(type(error).__name__, str(error)) from error

    async def explain_end(self) -> NoReturn:
        """Wait for the child to be gone and raise the reason.

        Raises:
            ForetellError: Always.
        """
        returncode = await asyncio.shield(self._handle.exited)
        error = self._verdict or self._judge(returncode)
        if self._dismissed:
            raise error
        log.warning(
            "sandbox.child_ended",
            function=self._order.function,
            slug=error.slug,
            returncode=returncode,
            output=self._tail.text(),
        )
        raise error

    def kill(self) -> None:
        """End it on purpose: nothing to log about that."""
        self._dismissed = True
        self._handle.kill()

    async def end(self) -> None:
        """Kill the child if it lives, let go of everything, wait until it is reaped."""
        self._handle.kill()
        self._watch.cancel()
        self._writer.close()
        self._errors.close()
        await asyncio.shield(self._handle.exited)

    async def _watch_memory(self) -> None:
        limit = self._order.confinement.memory_bytes
        await memory.wait_until_above(self.pid, limit)
        self._verdict = ChildOutOfMemory(limit)
        self._handle.kill()

    def _judge(self, returncode: int | None) -> ForetellError:
        if returncode is None:
            return SandboxLost()
        if returncode == -signal.SIGXCPU:
            limit = self._order.confinement.cpu_seconds or 0
            return ChildTimedOut(limit, of=" of processor time")
        output = self._tail.text()
        if returncode == -signal.SIGABRT and any(s in output for s in _OUT_OF_MEMORY):
            return ChildOutOfMemory(self._order.confinement.memory_bytes)
        if returncode < 0:
            return ChildKilled(-returncode)
        return ChildCrashed("NoAnswer", f"it ended with code {returncode}")

    def _crashed(self, message: Crash) -> ForetellError:
        log.warning(
            "sandbox.child_crashed",
            function=self._order.function,
            traceback=message.traceback,
            output=self._tail.text(),
        )
        if message.error_type == "MemoryError":
            return ChildOutOfMemory(self._order.confinement.memory_bytes)
        return crashed(message)


class _Tail(asyncio.Protocol):
    """The last of what a child printed, for the log."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._burst = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        del self._data[:-_TAIL_BYTES]
        self._burst += len(data)
        if self._burst > _BURST_BYTES:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._burst = 0
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def text(self) -> str:
        return self._data.decode(errors="replace")


async def start_child(
    launcher: Launcher, order: Order, served: socket.socket | None = None
) -> ChildProcess:
    """Start a child for an order; it waits for `ChildProcess.send`.

    Args:
        served: The child's end of a socket to hand to it; stays open here.
    """
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    read_end, write_end = os.pipe()
    output = os.fdopen(read_end, "rb", buffering=0)
    try:
        extra = [] if served is None else [served.fileno()]
        handle = await launcher.launch([theirs.fileno(), write_end, *extra])
    except BaseException:
        ours.close()
        output.close()
        raise
    finally:
        theirs.close()
        os.close(write_end)
    try:
        streams = await asyncio.open_unix_connection(sock=ours)
        errors = await loop.connect_read_pipe(_Tail, output)
    except BaseException:
        handle.kill()
        ours.close()
        output.close()
        raise
    return ChildProcess(
        handle, order, streams, cast("tuple[asyncio.BaseTransport, _Tail]", errors)
    )
