"""Cut delimited text into records and tell the well-formed from the damaged.

No reader at hand reports structure faults without losing or shifting good rows
(facts/data.md 2.4), so structure is decided here, on the bytes, before any reader
sees them: numpy finds line ends, delimiters and quotes of a block of some MiB at
once (about 0.25 s for a million rows of 15 columns), and only damaged lines are
looked at one by one. What is handed on holds exactly one row per record.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from foretell.tabular.bit_marks import BitMarks, find_marks
from foretell.tabular.encodings import is_utf8
from foretell.tabular.lenient import (
    Dialect,
    Fault,
    join_cells,
    split_line,
    suggestion,
)
from foretell.tabular.marks import Flags, Marks, Positions
from foretell.tabular.messages import ImportLimits
from foretell.tabular.rejects import Reject

_BLOCK = 8 << 20
_SMALLEST_BLOCK = 1 << 20
_BLOCK_RECORDS = 400_000  # narrow records cost memory by their number, not their size
_CHECKED_TOGETHER = 1024
_RAW_LIMIT = 1 << 20
_MENDABLE = ("unclosed_quote", "stray_quote", "too_few_cells", "too_many_cells")


@dataclass(slots=True)
class Block:
    """Consecutive records of the file, the damaged ones already taken out.

    Attributes:
        text: Well-formed delimited text of the rows, one record each.
        rows: How many rows `text` holds.
        lines, ordinals: Physical line and number of each row's record, from 1.
        starts, ends: Where each row's record stands in `source`.
        source: The bytes as they are in the file.
        rejects: The damaged records.
        records: Rows and rejects together.
        end: Offset in the file just after the block.
    """

    text: bytes
    lines: Positions
    ordinals: Positions
    starts: Positions
    ends: Positions
    source: bytes
    rejects: list[Reject] = field(default_factory=list)
    records: int = 0
    end: int = 0

    @property
    def rows(self) -> int:
        return len(self.lines)

    def raw(self, row: int) -> str:
        """Return the text of one row's record as it is in the file."""
        return readable(self.source[self.starts[row] : self.ends[row]])


def readable(record: bytes) -> str:
    """Return a record as text for the rejects, cut at 1 MiB."""
    text = record[:_RAW_LIMIT].decode("utf-8", "replace").removesuffix("\r")
    return text if len(record) <= _RAW_LIMIT else text + "…"


@dataclass(slots=True)
class RecordShape:
    """What a record must look like.

    Attributes:
        width: Cells in a row as written.
        kept: Cells that are kept; one less than `width` where every row ends in a
            delimiter that the header lacks.
        header: The header's bytes, to find it repeated; empty if there is none.
        may_be_damaged: Whether some bytes are not UTF-8, or could not be decoded and
            stand as U+FFFD.
    """

    width: int
    kept: int
    header: bytes = b""
    may_be_damaged: bool = False


class RecordReader:
    """Reads blocks of records from a UTF-8 stream placed at the first data line.

    `record_bytes` is about how long a record is; it decides how much is read at once.
    """

    def __init__(
        self,
        stream: BinaryIO,
        dialect: Dialect,
        shape: RecordShape,
        limits: ImportLimits,
        *,
        first_line: int = 1,
        max_records: int | None = None,
        record_bytes: float = 256.0,
    ) -> None:
        self._stream = stream
        self._dialect = dialect
        self._shape = shape
        self._limits = limits
        self._line = first_line
        self._ordinal = 1
        self._left = max_records
        wanted = max(int(record_bytes * _BLOCK_RECORDS), _SMALLEST_BLOCK)
        self._block = min(wanted, _BLOCK)
        self._offset = stream.tell()
        self._eol = ord(dialect.line_end)

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks until the file or the wanted number of records ends."""
        size = self._block
        largest = self._limits.record_bytes + self._block
        while self._left is None or self._left > 0:
            self._stream.seek(self._offset)
            buffer = self._stream.read(size)
            if not buffer:
                return
            block, used = self._cut(buffer, at_end=len(buffer) < size)
            if used == 0 and len(buffer) > self._limits.record_bytes:
                block = self._skip_giant(buffer)
            goes_on = block is None and not used
            size = min(2 * size, largest) if goes_on else self._block
            if block is not None:
                yield block

    def _skip_giant(self, buffer: bytes) -> Block:
        """Reject the line at the start of the buffer, which is longer than allowed."""
        head = buffer[:_RAW_LIMIT]
        end_mark = self._dialect.line_end.encode()
        while (stop := buffer.find(end_mark)) < 0:
            self._offset += len(buffer)
            buffer = self._stream.read(self._block)
            if not buffer:
                break
        self._offset += stop + 1
        limit = self._limits.record_bytes
        reject = Reject(
            line=self._line,
            record=self._ordinal,
            code="record_too_large",
            reason=f"The row is longer than {limit} bytes.",
            raw=readable(head) + "…",
        )
        self._advance(lines=1, records=1)
        none = np.empty(0, np.int64)
        return Block(b"", none, none, none, none, b"", [reject], 1, self._offset)

    def _advance(self, *, lines: int, records: int) -> None:
        self._line += lines
        self._ordinal += records
        if self._left is not None:
            self._left -= records

    def _cut(self, buffer: bytes, at_end: bool) -> tuple[Block | None, int]:
        marks = find_marks(buffer, self._dialect, at_end, self._limits.cell_bytes)
        starts, ends, used = marks.records()
        if len(starts) == 0:
            return None, used
        cells = marks.cells_per_record(ends)
        is_blank = marks.is_blank(starts, ends)
        keep = None
        if self._left is not None and np.count_nonzero(~is_blank) > self._left:
            keep = int(np.flatnonzero(~is_blank)[self._left - 1]) + 1
        if keep is not None:
            starts, ends, cells = starts[:keep], ends[:keep], cells[:keep]
            is_blank = is_blank[:keep]
            used = min(int(ends[-1]) + 1, len(buffer))
        suspects = self._suspects(buffer, marks, starts, ends, cells) | is_blank
        lines = self._line + marks.lines_before(starts)
        ordinals = self._ordinal - 1 + np.cumsum(~is_blank)
        block = self._assemble(buffer, used, starts, ends, lines, ordinals, suspects)
        self._offset += used
        block.end = self._offset
        self._advance(
            lines=int(marks.lines_before(np.array([used]))[0]), records=block.records
        )
        return block, used

    def _suspects(
        self,
        buffer: bytes,
        marks: BitMarks | Marks,
        starts: Positions,
        ends: Positions,
        cells: Positions,
    ) -> Flags:
        """Return which records must be looked at one by one."""
        suspect: Flags = cells != self._shape.width
        sizes = ends - starts
        suspect |= sizes > self._limits.cell_bytes
        if marks.faulty_starts:
            faulty = np.searchsorted(starts, np.array(marks.faulty_starts, np.int64))
            suspect[faulty[faulty < len(starts)]] = True
        for positions in (marks.spaced_openers, marks.escaped):
            if len(positions):
                suspect |= _hit(positions, ends, len(starts))
        if b"\x00" in buffer:
            suspect |= _hit(marks.find(0), ends, len(starts))
        if self._shape.may_be_damaged:
            suspect |= _damaged(buffer, starts, ends)
            if b"\xef\xbf\xbd" in buffer:
                suspect |= _hit(marks.find(0xEF), ends, len(starts))
        header = self._shape.header
        for index in np.flatnonzero(sizes == len(header)).tolist() if header else ():
            if buffer.startswith(header, int(starts[index])):
                suspect[index] = True
        return suspect

    def _assemble(
        self,
        buffer: bytes,
        used: int,
        starts: Positions,
        ends: Positions,
        lines: Positions,
        ordinals: Positions,
        suspects: Flags,
    ) -> Block:
        if not suspects.any():
            text = buffer if used == len(buffer) else buffer[:used]
            rows = len(starts)
            return Block(
                text, lines, ordinals, starts, ends, source=buffer, records=rows
            )
        kept = ~suspects
        pieces: list[bytes | memoryview] = []
        rejects: list[Reject] = []
        view = memoryview(buffer)
        done = 0
        for index in np.flatnonzero(suspects).tolist():
            start, end = int(starts[index]), int(ends[index])
            if start > done:
                pieces.append(view[done:start])
            done = min(end + 1, used)
            if end == start or (end == start + 1 and buffer[start] == 13):
                continue
            found = self._judge(bytes(view[start:end]))
            if isinstance(found, Fault):
                rejects.append(
                    Reject(
                        line=int(lines[index]),
                        record=int(ordinals[index]),
                        code=found.code,
                        reason=found.reason,
                        raw=readable(buffer[start:end]),
                        suggestion=found.suggestion,
                    )
                )
            else:
                pieces.append(found)
                kept[index] = True
        pieces.append(view[done:used])
        return Block(
            b"".join(pieces),
            lines[kept],
            ordinals[kept],
            starts[kept],
            ends[kept],
            buffer,
            rejects,
            int(np.count_nonzero(kept)) + len(rejects),
        )

    def _judge(self, record: bytes) -> bytes | Fault:
        """Return a suspect record rewritten for the fast reader, or its fault."""
        if b"\x00" in record:
            return Fault("nul_byte", "The row holds a NUL byte.")
        if record == self._shape.header:
            return Fault("repeated_header", "The row repeats the header.")
        try:
            text = record.decode()
        except UnicodeDecodeError:
            return Fault("bad_encoding", "The row holds bytes that are not UTF-8.")
        if self._shape.may_be_damaged and "\ufffd" in text:
            return Fault(
                "bad_encoding", "The row holds bytes that its encoding does not know."
            )
        text = text.removesuffix("\r")
        cells = split_line(text, self._dialect)
        found = cells if isinstance(cells, Fault) else self._check_cells(cells)
        if isinstance(found, Fault) and found.code in _MENDABLE:
            meant = suggestion(text[:_RAW_LIMIT], self._dialect, self._shape.width)
            found = replace(found, suggestion=meant or found.suggestion)
        return found

    def _check_cells(self, cells: list[str]) -> bytes | Fault:
        width, found = self._shape.kept, len(cells)
        if self._shape.width > width and found == width:
            cells = [*cells, ""]
        elif found != self._shape.width:
            code = "too_many_cells" if found > width else "too_few_cells"
            return Fault(code, f"The row has {found} cells; the table has {width}.")
        limit = self._limits.cell_bytes
        if any(len(cell.encode()) > limit for cell in cells):
            return Fault("cell_too_large", f"A cell is longer than {limit} bytes.")
        if self._shape.width > width and cells[-1].strip():
            return Fault(
                "too_many_cells", f"The row has {found} cells; the table has {width}."
            )
        return self._write(cells)

    def _write(self, cells: list[str]) -> bytes:
        if self._dialect.quote:
            return join_cells(cells, self._dialect)
        delimiter = self._dialect.delimiter
        return (delimiter.join(cells) + self._dialect.line_end).encode()


def _damaged(buffer: bytes, starts: Positions, ends: Positions) -> Flags:
    """Return which records are not UTF-8, looking closely only where some are not."""
    damaged = np.zeros(len(starts), np.bool_)
    view = memoryview(buffer)
    waiting = [
        (first, min(first + _CHECKED_TOGETHER, len(starts)))
        for first in range(0, len(starts), _CHECKED_TOGETHER)
    ]
    while waiting:
        first, last = waiting.pop()
        if is_utf8(bytes(view[starts[first] : ends[last - 1]])):
            continue
        if last - first == 1:
            damaged[first] = True
            continue
        middle = (first + last) // 2
        waiting += [(first, middle), (middle, last)]
    return damaged


def _hit(positions: Positions, ends: Positions, count: int) -> Flags:
    """Return which records hold at least one of the positions."""
    hit = np.zeros(count, np.bool_)
    index = np.searchsorted(ends, positions)
    hit[index[index < count]] = True
    return hit
