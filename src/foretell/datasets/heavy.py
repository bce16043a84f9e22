"""Questions that look at every row, answered in processes beside the API.

A group of ten million keys or a sort of every row takes memory and both cores. Here
such a question costs the API process a wait: it runs in a sandboxed reader with a
limit of memory and time, and its reader is killed when the caller goes away.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from foretell.core.logs import get_logger
from foretell.datasets.errors import QuestionTimedOut, QuestionTooLarge
from foretell.datasets.reader_messages import Answer, ReaderRequest
from foretell.datasets.turns import Turns
from foretell.datasets.wire import pack, unpack
from foretell.sandbox import memory
from foretell.sandbox.errors import ChildCrashed, ChildKilled, ChildOutOfMemory
from foretell.sandbox.frames import read_frame, write_frame
from foretell.sandbox.pool import Sandbox
from foretell.sandbox.refusals import crashed, rebuild
from foretell.sandbox.server import SandboxedServer

log = get_logger(__name__)

READERS = 2
PRELOAD = (
    "foretell.datasets.reader_child",
    "foretell.plugins.table_engines.polars",
)
_SERVE = "foretell.datasets.reader_child:serve"
_WAITING = 128
_PATIENCE_SECONDS = 60.0
# Pages and predictions go first where there are fewer cores than work.
_NICENESS = 10
# Allocators keep what they had once; a reader that holds more than this share of its
# limit between questions makes room for a new one.
_KEPT_SHARE = 4


class HeavyReaders:
    """A few readers that stay; a value for one event loop.

    Args:
        sandbox: Starts them; closed with them.
        folder: Gives the folder of the stored versions when the first reader starts.
        engine: Name of the table engine.
        memory_bytes: Most memory of one reader.
        timeout_seconds: Longest run of one question.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        folder: Callable[[], Path],
        *,
        engine: str = "polars",
        memory_bytes: int,
        timeout_seconds: float,
    ) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._engine = engine
        self._memory_bytes = memory_bytes
        self._timeout_seconds = timeout_seconds
        self._turns = Turns(
            READERS, waiting=_WAITING, patience_seconds=_PATIENCE_SECONDS
        )
        self._idle: list[_Reader] = []

    async def close(self) -> None:
        """End every reader, and what starts them."""
        self._idle.clear()
        await self._sandbox.close()

    async def ask(self, caller: str, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the engine in a reader and return what it returns.

        Args:
            caller: Whose question it is; callers take turns.

        Raises:
            QuestionTooLarge, QuestionTimedOut: It needs more than it gets.
            ReadersBusy: Too many others wait, or for too long.
            ForetellError: What the engine refuses.
        """
        question = pack((method, arguments, named))
        async with self._turns.turn(caller):
            reader = await self._reader()
            is_kept = False
            try:
                async with asyncio.timeout(self._timeout_seconds) as clock:
                    answer, body = await reader.ask(question)
                is_kept = answer.crashed is None and not self._is_swollen(reader)
            except TimeoutError:
                if clock.expired():
                    raise QuestionTimedOut(self._timeout_seconds) from None
                raise
            except (ChildOutOfMemory, ChildKilled) as error:
                if error.context.get("signal", "SIGKILL") != "SIGKILL":
                    raise
                # By our watch, or by a kernel that was out of memory.
                raise QuestionTooLarge(self._memory_bytes) from error
            finally:
                self._part(reader, is_kept=is_kept)
        return self._value(answer, body)

    def _value(self, answer: Answer, body: bytes) -> Any:
        if answer.refused is not None:
            raise rebuild(answer.refused)
        if answer.crashed is None:
            return unpack(body)
        log.warning("reader.crashed", traceback=answer.crashed.traceback)
        if answer.crashed.error_type in ("MemoryError", "ArrowMemoryError"):
            raise QuestionTooLarge(self._memory_bytes)
        raise crashed(answer.crashed)

    async def _reader(self) -> "_Reader":
        while self._idle:
            reader = self._idle.pop()
            if reader.is_alive:
                return reader
        server = await self._sandbox.spawn(
            _SERVE,
            ReaderRequest(self._engine),
            read=[self._folder()],
            memory_bytes=self._memory_bytes,
            niceness=_NICENESS,
        )
        return await _Reader.open(server)

    def _part(self, reader: "_Reader", *, is_kept: bool) -> None:
        if is_kept and reader.is_alive:
            self._idle.append(reader)
        else:
            reader.kill()

    def _is_swollen(self, reader: "_Reader") -> bool:
        return memory.resident_bytes(reader.pid) > self._memory_bytes // _KEPT_SHARE


class _Reader:
    """One process and the socket to it; one question at a time."""

    def __init__(
        self,
        server: SandboxedServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.pid = server.pid
        self._server = server
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, server: SandboxedServer) -> "_Reader":
        reader, writer = await server.open_streams()
        server.on_exit(writer.close)
        return cls(server, reader, writer)

    @property
    def is_alive(self) -> bool:
        return self._server.alive

    async def ask(self, question: bytes) -> tuple[Answer, bytes]:
        write_frame(self._writer, question)
        answer = msgspec.msgpack.decode(await self._frame(), type=Answer)
        chunks = []
        left = answer.size
        while left > 0:
            chunks.append(await self._frame())
            left -= len(chunks[-1])
        return answer, b"".join(chunks)

    def kill(self) -> None:
        self._server.kill()

    async def _frame(self) -> bytes:
        frame = await read_frame(self._reader)
        if frame is None:
            await self._server.exited.wait()
            raise self._server.error or ChildCrashed("NoAnswer", "it ended")
        return frame
