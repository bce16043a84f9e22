import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis.strategies import binary, lists

from foretell.sandbox.frames import (
    MAX_FRAME_BYTES,
    FrameTooLarge,
    read_frame,
    receive_frame,
    send_frame,
)


@given(frames=lists(binary(max_size=300), max_size=8))
def test_frames_arrive_as_they_were_sent(frames):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for frame in frames:
            send_frame(ours, frame)
        ours.close()
        received = list(iter(lambda: receive_frame(theirs), None))
    assert received == frames


@given(frames=lists(binary(max_size=300), max_size=4), cut=binary(max_size=3))
def test_an_unfinished_frame_at_the_end_is_the_end(frames, cut):
    async def read_all() -> list[bytes]:
        reader = asyncio.StreamReader()
        for frame in frames:
            reader.feed_data(len(frame).to_bytes(4, "big") + frame)
        reader.feed_data(cut)
        reader.feed_eof()
        received = []
        while (frame := await read_frame(reader)) is not None:
            received.append(frame)
        return received

    assert asyncio.run(read_all()) == frames


def test_a_frame_cut_in_its_middle_is_an_error_for_the_child():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"\x00\x00\x00\x05abc")
        ours.close()
        with pytest.raises(EOFError):
            receive_frame(theirs)


def test_a_frame_above_the_limit_is_refused_before_its_bytes_arrive():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
        with pytest.raises(FrameTooLarge):
            receive_frame(theirs)
