"""Length-prefixed messages over a connected stream socket.

Four bytes of length, big-endian, then the bytes. Both sides refuse a frame above
`MAX_FRAME_BYTES`: the child is not trusted with the parent's memory.
"""

import asyncio
import socket
import struct

MAX_FRAME_BYTES = 64 << 20

_LENGTH = struct.Struct(">I")


class FrameTooLarge(ValueError):
    """A frame is longer than both sides agreed on."""


def send_frame(sock: socket.socket, data: bytes) -> None:
    """Send one frame and wait until the kernel has taken it."""
    sock.sendall(_LENGTH.pack(_checked(len(data))) + data)


def receive_frame(sock: socket.socket) -> bytes | None:
    """Wait for one frame; None when the other side has ended in between frames."""
    head = _receive_exactly(sock, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    body = _receive_exactly(sock, _checked(length))
    if body is None:
        raise EOFError("The other side ended within a frame.")
    return body


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """Wait for one frame; None when the other side has ended, even within one."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(_checked(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def write_frame(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Queue one frame; await `writer.drain()` after it."""
    writer.write(_LENGTH.pack(_checked(len(data))) + data)


def _receive_exactly(sock: socket.socket, count: int) -> bytes | None:
    buffer = bytearray(count)
    view = memoryview(buffer)
    received = 0
    while received < count:
        size = sock.recv_into(view[received:])
        if size == 0:
            if received:
                raise EOFError("The other side ended within a frame.")
            return None
        received += size
    return bytes(buffer)


def _checked(length: int) -> int:
    if length > MAX_FRAME_BYTES:
        raise FrameTooLarge(f"A frame of {length} bytes is above {MAX_FRAME_BYTES}.")
    return length
