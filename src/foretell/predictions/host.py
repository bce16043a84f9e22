"""The model host's parent side: a process a version, calls side by side.

Each version that is code (a pickle), or a body too large for the event loop, is
answered in a sandboxed process of its own: what goes wrong in one model, memory and
native faults included, ends that process and no other. It is started at the first
call and again after its end. All calls share one socket; each has a number.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import msgspec

from foretell.core.blobs import BlobStore
from foretell.core.logs import get_logger
from foretell.core.scratch import Scratch
from foretell.features.definition import Functions
from foretell.models.serving import ServedVersion
from foretell.predictions.errors import (
    ModelHostEnded,
    ModelNotLoaded,
    PredictionTimedOut,
)
from foretell.predictions.forms import PLAIN, Form
from foretell.predictions.host_messages import READY, Call, HostRequest, Reply
from foretell.sandbox.frames import (
    MAX_FRAME_BYTES,
    FrameTooLarge,
    read_frame,
    write_frame,
)
from foretell.sandbox.pool import Sandbox
from foretell.sandbox.refusals import rebuild
from foretell.sandbox.server import SandboxedServer

log = get_logger("foretell.predictions")

SERVE = "foretell.predictions.hosting:serve"
PRELOAD = (
    "foretell.predictions.hosting",
    "foretell.predictions.arrow_bodies",
    "foretell.predictions.npy_bodies",
)
CALL_SECONDS = 60.0
OPEN_SECONDS = 120.0
# A version that dies at once must not be started again and again by every caller.
RESTART_SECONDS = 1.0


class ModelHosts:
    """Starts and finds the processes of versions.

    Args:
        allow: The setting `PICKLE_ALLOW`.
        functions: Of extensions, for versions bound to feature sets.
        memory_bytes: Most memory of one process.
        limit: Processes at once; the one unused for longest makes room.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        blobs: BlobStore,
        scratch: Scratch,
        *,
        memory_bytes: int,
        allow: list[str],
        functions: Functions | None = None,
        limit: int = 8,
    ) -> None:
        self._sandbox = sandbox
        self._blobs = blobs
        self._scratch = scratch
        self._memory_bytes = memory_bytes
        self._allow = allow
        known = {} if functions is None else functions
        self._functions = {name: own.place for name, own in known.items()}
        self._limit = limit
        self._hosts: dict[str, ModelHost] = {}

    async def answer(
        self,
        version: ServedVersion,
        body: bytes,
        form: Form = PLAIN,
    ) -> tuple[bytes, int]:
        """The answer to a body, and how many rows it had.

        Raises:
            RowsInvalid, ModelFailed: As the version answers.
            ModelNotLoaded, ModelHostEnded, PredictionTimedOut: It cannot answer.
        """
        host = await self._get(version)
        return await host.answer(Call(0, body, form), CALL_SECONDS)

    async def open(self, version: ServedVersion) -> None:
        """Start the process of a version if it is not there."""
        await (await self._get(version)).opened()

    async def _get(self, version: ServedVersion) -> "ModelHost":
        host = self._hosts.pop(version.id, None)
        if host is None:
            await self._make_room()
            host = self._hosts.pop(version.id, None) or ModelHost(
                lambda: self._start(version)
            )
        self._hosts[version.id] = host  # the last one used stands last
        return host

    async def _make_room(self) -> None:
        idle = [key for key, host in self._hosts.items() if not host.is_busy]
        for key in idle[: max(0, len(self._hosts) - self._limit + 1)]:
            await self._hosts.pop(key).close()

    async def drop(self, version_ids: frozenset[str]) -> None:
        """End the processes of versions that are no more."""
        for key in version_ids & self._hosts.keys():
            await self._hosts.pop(key).close()

    async def close(self) -> None:
        hosts, self._hosts = list(self._hosts.values()), {}
        for host in hosts:
            await host.close()

    async def _start(self, version: ServedVersion) -> "Connection":
        key, sha256 = version.file
        features = None if version.features is None else dict(version.features)
        async with self._blobs.local(key) as path:
            folder = await asyncio.to_thread(self._scratch.make, "host")
            request = HostRequest(
                model=version.model,
                version=version.number,
                flavour=version.flavour,
                path=str(path),
                sha256=sha256,
                is_native=version.is_native,
                spec=version.spec,
                signature=version.signature,
                scratch=str(folder.path),
                allow=self._allow,
                trust=version.is_trusted,
                features=features,
                functions=self._functions,
            )
            try:
                server = await self._sandbox.spawn(
                    SERVE,
                    request,
                    read=[path],
                    write=[folder.path],
                    memory_bytes=self._memory_bytes,
                )
            except BaseException:
                await asyncio.to_thread(folder.remove)
                raise
            # From here on the connection removes the folder, exactly once.
            return await Connection.open(server, folder.remove)


class ModelHost:
    """One version's process: started when needed, and again after its end."""

    def __init__(self, start: Callable[[], Awaitable["Connection"]]) -> None:
        self._start = start
        self._connection: Connection | None = None
        self._starting = asyncio.Lock()
        self._started_at = float("-inf")
        self._calls = 0

    @property
    def is_busy(self) -> bool:
        return self._calls > 0 or self._starting.locked()

    async def answer(self, call: Call, seconds: float) -> tuple[bytes, int]:
        self._calls += 1
        try:
            connection = await self.opened()
            reply = await connection.call(call, seconds)
        finally:
            self._calls -= 1
        if reply.refused is not None:
            raise rebuild(reply.refused)
        return reply.body, reply.rows

    async def opened(self) -> "Connection":
        """The connection to the running process."""
        if self._connection is not None and self._connection.is_alive:
            return self._connection
        async with self._starting:
            if self._connection is not None and self._connection.is_alive:
                return self._connection
            self._connection = await self._restart()
            return self._connection

    async def _restart(self) -> "Connection":
        await self.close()
        now = asyncio.get_running_loop().time()
        if now - self._started_at < RESTART_SECONDS:
            raise ModelHostEnded
        self._started_at = now
        return await self._start()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class Connection:
    """The socket to one process, with calls side by side."""

    def __init__(
        self,
        server: SandboxedServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        clean: Callable[[], None],
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._clean = clean
        self._ids = count(READY + 1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._sending = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self.is_alive = True

    @classmethod
    async def open(
        cls, server: SandboxedServer, clean: Callable[[], None]
    ) -> "Connection":
        """Connect, and wait until the version is open.

        Raises:
            ModelNotLoaded: It cannot be opened.
        """
        reader, writer = await asyncio.open_unix_connection(
            sock=server.sock, limit=MAX_FRAME_BYTES
        )
        connection = cls(server, reader, writer, clean)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                frame = await read_frame(reader)
        except TimeoutError as error:
            await connection.close()
            raise ModelNotLoaded("The model took too long to load.") from error
        except BaseException:
            await connection.close()
            raise
        if frame is None:
            await connection.close()
            raise ModelNotLoaded("The process of the model ended while it loaded.")
        reply = msgspec.msgpack.decode(frame, type=Reply)
        if reply.refused is not None:
            await connection.close()
            refused = rebuild(reply.refused)
            if isinstance(refused, ModelNotLoaded):
                raise refused
            reason = f"The model cannot be loaded any more. {refused.detail}"
            raise ModelNotLoaded(reason) from refused
        connection._follower = asyncio.create_task(connection._follow())
        return connection

    async def call(self, call: Call, seconds: float) -> Reply:
        """Send one call under a number of its own and wait for its reply.

        Raises:
            ModelHostEnded: The process ended meanwhile.
            PredictionTimedOut: It took too long; the process is ended then, since
                nothing else stops a computation.
        """
        number = next(self._ids)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(seconds):
                await self._send(msgspec.structs.replace(call, id=number))
                return await future
        except TimeoutError as error:
            self._server.kill()
            raise PredictionTimedOut(seconds) from error
        except (ConnectionError, FrameTooLarge) as error:
            raise ModelHostEnded from error
        finally:
            self._waiting.pop(number, None)

    async def _send(self, call: Call) -> None:
        if not self.is_alive:
            raise ModelHostEnded
        async with self._sending:
            write_frame(self._writer, msgspec.msgpack.encode(call))
            await self._writer.drain()

    async def _follow(self) -> None:
        try:
            while (frame := await read_frame(self._reader)) is not None:
                reply = msgspec.msgpack.decode(frame, type=Reply)
                future = self._waiting.get(reply.id)
                if future is not None and not future.done():
                    future.set_result(reply)
        except (msgspec.MsgspecError, FrameTooLarge) as error:
            log.warning("predictions.host_reply_unreadable", exc_info=error)
            self._server.kill()
        finally:
            self.is_alive = False
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ModelHostEnded())

    async def close(self) -> None:
        self.is_alive = False
        self._writer.close()
        await self._server.close()
        if self._follower is not None:
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower
        await asyncio.to_thread(self._clean)
