"""Long-lived children that serve on a socket."""

import asyncio

import pytest

from foretell.sandbox.errors import ChildCrashed, ChildKilled
from foretell.sandbox.frames import read_frame, write_frame
from foretell.sandbox.pool import Sandbox

from .children import Text

HERE = "tests.sandbox.children"


async def test_frames_go_there_and_back(any_sandbox):
    server = await any_sandbox.spawn(f"{HERE}:echo", Text("re: "))
    reader, writer = await server.open_streams()
    for size in (0, 1, 200_000):
        write_frame(writer, bytes(size))
        assert await read_frame(reader) == b"re: " + bytes(size)
    assert server.alive
    await server.close()
    assert not server.alive
    assert server.error is None


async def test_a_server_ends_when_its_socket_is_closed(sandbox):
    server = await sandbox.spawn(f"{HERE}:echo", Text())
    server.sock.close()
    await asyncio.wait_for(server.exited.wait(), 5)
    assert server.error is None


async def test_a_native_crash_of_a_server_is_told(sandbox):
    server = await sandbox.spawn(f"{HERE}:echo", Text())
    _, writer = await server.open_streams()
    write_frame(writer, b"abort")
    await asyncio.wait_for(server.exited.wait(), 5)
    assert isinstance(server.error, ChildKilled)
    assert server.error.context == {"signal": "SIGABRT"}
    await server.close()


async def test_a_server_that_cannot_start_says_why(sandbox):
    with pytest.raises(ChildCrashed, match="AttributeError"):
        await sandbox.spawn(f"{HERE}:nothing", Text())


async def test_closing_the_sandbox_ends_its_servers():
    async with Sandbox() as sandbox:
        servers = [await sandbox.spawn(f"{HERE}:echo", Text()) for _ in range(3)]
    assert not any(server.alive for server in servers)
