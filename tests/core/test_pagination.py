"""Cursors come back as they were and cannot be made by hand."""

import pytest
from hypothesis import given
from hypothesis.strategies import (
    booleans,
    dictionaries,
    floats,
    integers,
    lists,
    none,
    recursive,
    text,
)

from foretell.core.pagination import CursorInvalid, Cursors

plain = (
    none() | booleans() | integers(-(2**63), 2**63) | text() | floats(allow_nan=False)
)
states = recursive(plain, lambda inner: lists(inner) | dictionaries(text(), inner))
cursors = Cursors(b"k" * 32)


@given(states)
def test_a_cursor_gives_back_its_state(state):
    assert cursors.decode("rows", cursors.encode("rows", state)) == state


@given(text())
def test_no_text_is_a_cursor(forged):
    with pytest.raises(CursorInvalid):
        cursors.decode("rows", forged)


@given(integers(0, 200), integers(0, 7))
def test_a_changed_bit_is_noticed(place, bit):
    cursor = cursors.encode("rows", ["a", 1, None, {"row": 12345}])
    raw = bytearray(cursor.encode())
    raw[place % len(raw)] ^= 1 << bit
    changed = raw.decode("latin-1")
    if changed != cursor:
        try:
            state = cursors.decode("rows", changed)
        except CursorInvalid:
            return
        # The last character of base64 has bits that mean nothing.
        assert state == ["a", 1, None, {"row": 12345}]


def test_a_cursor_belongs_to_one_list_and_one_server():
    cursor = cursors.encode("rows", 1)
    with pytest.raises(CursorInvalid):
        cursors.decode("jobs", cursor)
    with pytest.raises(CursorInvalid):
        Cursors(b"other" * 8).decode("rows", cursor)
