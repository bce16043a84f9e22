"""Pieces of a file to judge it by: its head, and some lines from the middle and end."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from foretell.tabular.lenient import Dialect, Fault, split_line
from foretell.tabular.marks import Marks

_HEAD = 128 << 10
_LONGEST_HEAD = 4 << 20  # a header of 10,000 long names
_FEW_LINES = 3
_PIECE = 64 << 10
_CELL = 64 << 10


@dataclass(frozen=True, slots=True)
class Sample:
    """Whole lines of a UTF-8 file, as bytes; `head` starts at `offset`.

    Attributes:
        head: The first lines after those the caller skips.
        later: Lines from the middle and the end of a longer file.
        offset: Where `head` starts in the file.
        skipped: Lines before `head`.
        line_end: What ends a line.
    """

    head: bytes
    later: tuple[bytes, ...]
    offset: int
    skipped: int
    line_end: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One record of a sample; `cells` is None where its quoting is damaged.

    `is_quoted` is whether its first cell is quoted.
    """

    start: int
    end: int
    line: int
    width: int
    cells: list[str] | None
    is_quoted: bool = False


def take_sample(path: Path, *, start: int = 0, skip: int = 0) -> Sample:
    """Read a sample, leaving out `skip` lines after byte `start`."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(start)
        probe = stream.read(_HEAD)
        line_end = "\r" if b"\r" in probe and b"\n" not in probe else "\n"
        stream.seek(start)
        offset = _skip_lines(stream, skip, line_end.encode())
        stream.seek(offset)
        head = stream.read(_HEAD)
        while len(head) < _LONGEST_HEAD and head.count(line_end.encode()) < _FEW_LINES:
            more = stream.read(_HEAD)
            if not more:
                break
            head += more
        if offset + len(head) < size:
            head = _whole_lines(head, line_end, is_first=True)
        later = []
        for at in (size // 2, size - _PIECE):
            if at > offset + _HEAD:
                stream.seek(at)
                later.append(
                    _whole_lines(stream.read(_PIECE), line_end, is_first=False)
                )
    return Sample(head, tuple(later), offset, skip, line_end)


def _skip_lines(stream: BinaryIO, count: int, line_end: bytes) -> int:
    """Return the offset after `count` lines."""
    offset = stream.tell()
    while count and (block := stream.read(_HEAD)):
        found = block.count(line_end)
        if found < count:
            count -= found
            offset += len(block)
            continue
        at = -1
        for _ in range(count):
            at = block.find(line_end, at + 1)
        return offset + at + 1
    return offset


def _whole_lines(block: bytes, line_end: str, *, is_first: bool) -> bytes:
    mark = line_end.encode()
    start = 0 if is_first else block.find(mark) + 1
    stop = block.rfind(mark) + 1
    return block[start:stop] if stop > start else block[start:]


def sample_rows(
    piece: bytes, dialect: Dialect, *, first_line: int = 1, most: int | None = None
) -> list[SampleRow]:
    """Return the records of a piece, blank lines left out."""
    if not piece:
        return []
    marks = Marks(piece, dialect, True, _CELL)
    starts, ends, _ = marks.records()
    widths = marks.cells_per_record(ends)
    is_blank = marks.is_blank(starts, ends)
    lines = first_line + np.searchsorted(marks.line_ends, starts)
    faulty = set(marks.faulty_starts)
    rows: list[SampleRow] = []
    for index in np.flatnonzero(~is_blank)[:most].tolist():
        start, end = int(starts[index]), int(ends[index])
        text = piece[start:end].decode("utf-8", "replace").removesuffix("\r")
        cells = split_line(text, dialect)
        is_damaged = isinstance(cells, Fault)
        width = 0 if is_damaged else int(widths[index])
        if start in faulty and not isinstance(cells, Fault):
            width = len(cells)
        rows.append(
            SampleRow(
                start,
                end,
                int(lines[index]),
                width,
                None if isinstance(cells, Fault) else cells,
                bool(dialect.quote) and text.startswith(dialect.quote),
            )
        )
    return rows
