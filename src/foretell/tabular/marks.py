"""Line ends, delimiters and quotes of a block of text, found all at once.

A quote may open a cell only after a delimiter or line end, and close it only before
one. Quotes pair up from the first of the block, so a quote that cannot play the
part its position in the pairing gives it marks the record where the pairing went
wrong: the first line of that record is faulty, and the pairing starts afresh on the
next line. A fault is found by bisection, so many faults stay cheap.
"""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from foretell.tabular.lenient import Dialect

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]
_FEW_CELLS = 16
_MANY_CELLS = 65_536


def are_blank(source: NDArray[np.uint8], starts: Positions, ends: Positions) -> Flags:
    """Return which records hold nothing, or only a carriage return."""
    size = ends - starts
    blank: Flags = size == 0
    single = np.flatnonzero(size == 1)
    blank[single] = source[starts[single]] == 13
    return blank


def between(
    ends: Positions, size: int, *, at_end: bool
) -> tuple[Positions, Positions, int]:
    """Return start and end of each record, and bytes used, by where records end.

    Args:
        size: Bytes of the buffer.
        at_end: Whether the file ends with it, and so its last record.
    """
    if at_end and (len(ends) == 0 or ends[-1] != size - 1):
        ends = np.append(ends, size)
    if len(ends) == 0:
        return ends, ends, 0
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
    return starts, ends, min(int(ends[-1]) + 1, size)


class Marks:
    """Line ends, delimiters and quotes of one buffer, and the records they make.

    Args:
        line_ends, quotes: Where they stand, if that is known.

    Attributes:
        faulty_starts: Where the records start whose quotes play no part.
        without_part: The quotes of those records.
        stop: Where the last record starts that is not whole yet, or the end.
    """

    def __init__(
        self,
        buffer: bytes,
        dialect: Dialect,
        at_end: bool,
        cell_bytes: int,
        *,
        line_ends: Positions | None = None,
        quotes: Positions | None = None,
    ) -> None:
        self._bytes = np.frombuffer(buffer, np.uint8)
        self._dialect = dialect
        self._at_end = at_end
        self._cell_bytes = cell_bytes
        self._eol = ord(dialect.line_end)
        self.line_ends: Positions = (
            self.find(self._eol) if line_ends is None else line_ends
        )
        self.faulty_starts: list[int] = []
        none = np.empty(0, np.int64)
        self.spaced_openers: Positions = none
        self.escaped: Positions = none
        self._openers: Positions = none
        self._closers: Positions = none
        self.stop = len(buffer)
        self.without_part: Positions = none
        if dialect.quote and dialect.quote.encode() in buffer:
            quotes = self.find(ord(dialect.quote)) if quotes is None else quotes
            if dialect.escape:
                is_escaped = self._are_escaped(quotes)
                self.escaped = quotes[is_escaped]
                quotes = quotes[~is_escaped]
            if len(quotes):
                self._pair_quotes(quotes)

    def find(self, byte: int) -> Positions:
        """Return where a byte stands."""
        return np.flatnonzero(self._bytes == byte)

    def records(self) -> tuple[Positions, Positions, int]:
        """Return start and end (without line end) of each record, and bytes used."""
        ends = self.line_ends
        if len(self._openers):
            lo = np.searchsorted(ends, self._openers)
            hi = np.searchsorted(ends, self._closers)
            if (multi := hi > lo).any():
                depth = np.zeros(len(ends) + 1, np.int64)
                np.add.at(depth, lo[multi], 1)
                np.add.at(depth, hi[multi], -1)
                ends = ends[np.cumsum(depth[:-1]) == 0]
        ends = ends[: np.searchsorted(ends, self.stop)]
        return between(ends, len(self._bytes), at_end=self._at_end)

    def cells_per_record(self, ends: Positions) -> Positions:
        """Count the cells of each record, delimiters inside quotes left out."""
        delimiters = self.find(ord(self._dialect.delimiter))
        counts = np.diff(np.searchsorted(delimiters, ends), prepend=0)
        if len(self._openers):
            inside = np.searchsorted(delimiters, self._closers) - np.searchsorted(
                delimiters, self._openers
            )
            touched = inside > 0
            record = np.searchsorted(ends, self._openers[touched])
            within = record < len(ends)
            counts = counts - np.bincount(
                record[within],
                weights=inside[touched][within],
                minlength=len(ends),
            ).astype(np.int64)
        return counts + 1

    def is_blank(self, starts: Positions, ends: Positions) -> Flags:
        """Return which records are empty lines."""
        return are_blank(self._bytes, starts, ends)

    def lines_before(self, positions: Positions) -> Positions:
        """Return how many physical lines end before each position."""
        return np.searchsorted(self.line_ends, positions)

    def _are_escaped(self, quotes: Positions) -> Flags:
        before = self._bytes[np.maximum(quotes - 1, 0)]
        second = self._bytes[np.maximum(quotes - 2, 0)]
        found: Flags = (before == 92) & (second != 92) & (quotes > 0)
        return found

    def _may_open(self, quotes: Positions) -> Flags:
        before = self._bytes[np.maximum(quotes - 1, 0)]
        delimiter = ord(self._dialect.delimiter)
        fits: Flags = (before == delimiter) | (before == self._eol) | (quotes == 0)
        if self._dialect.spaced:
            second = self._bytes[np.maximum(quotes - 2, 0)]
            fits |= (before == 32) & (second == delimiter) & (quotes >= 2)
        return fits

    def _may_close(self, quotes: Positions) -> Flags:
        last = len(self._bytes) - 1
        after = self._bytes[np.minimum(quotes + 1, last)]
        second = self._bytes[np.minimum(quotes + 2, last)]
        fits: Flags = (after == ord(self._dialect.delimiter)) | (after == self._eol)
        fits |= (after == 13) & ((second == self._eol) | (quotes + 1 == last))
        fits |= quotes == last
        return fits

    def _pair_quotes(self, quotes: Positions) -> None:
        touching = np.flatnonzero(np.diff(quotes) == 1)
        bad_opener, bad_closer = ~self._may_open(quotes), ~self._may_close(quotes)
        bad_opener[touching + 1] = False
        bad_closer[touching] = False
        is_even = np.arange(len(quotes)) % 2 == 0
        # First bad quote at or after an index, for either parity of the opener.
        bad = [
            np.flatnonzero(np.where(is_even, bad_opener, bad_closer)).tolist(),
            np.flatnonzero(np.where(is_even, bad_closer, bad_opener)).tolist(),
        ]
        runs: list[tuple[int, int]] = []
        first, total = 0, len(quotes)
        while first < total:
            known = bad[first % 2]
            at = bisect_left(known, first)
            fault = known[at] if at < len(known) else total
            if fault == total and (total - first) % 2 == 0:
                runs.append((first, total))
                break
            opener = min(fault, total - 1)
            opener -= (opener - first) % 2
            start, run_end = self._record_start(quotes, first, opener)
            runs.append((first, run_end))
            if fault == total and self._may_continue(quotes, opener):
                self.stop = start
                break
            line = int(np.searchsorted(self.line_ends, start))
            if line == len(self.line_ends) and not self._at_end:
                self.stop = start
                break
            self.faulty_starts.append(start)
            if line == len(self.line_ends):
                break
            first = int(np.searchsorted(quotes, self.line_ends[line]))
        between = zip(runs, [*runs[1:], (total, total)], strict=True)
        self.without_part = np.concatenate([quotes[a[1] : b[0]] for a, b in between])
        self._openers = np.concatenate([quotes[a:b:2] for a, b in runs])
        self._closers = np.concatenate([quotes[a + 1 : b : 2] for a, b in runs])
        if self._dialect.spaced:
            before = self._bytes[np.maximum(self._openers - 1, 0)]
            self.spaced_openers = self._openers[before == 32]

    def _may_continue(self, quotes: Positions, opener: int) -> bool:
        """Whether an open quote at the end of the buffer may be closed later."""
        size = len(self._bytes)
        return not self._at_end and size - int(quotes[opener]) <= self._cell_bytes

    def _record_start(
        self, quotes: Positions, first: int, opener: int
    ) -> tuple[int, int]:
        """Return where the record of a faulty quote starts, and the run before it.

        Walks back over the quoted cells of the record to the line end before it. Few
        cells are walked one by one; a record of nothing but quotes by the thousand.
        """
        for _ in range(_FEW_CELLS):
            floor = int(quotes[opener - 1]) if opener > first else -1
            at = int(np.searchsorted(self.line_ends, quotes[opener])) - 1
            if at >= 0 and int(self.line_ends[at]) > floor:
                return int(self.line_ends[at]) + 1, opener
            if opener == first:
                return 0, first
            opener -= 2
        return self._far_record_start(quotes, first, opener)

    def _far_record_start(
        self, quotes: Positions, first: int, opener: int
    ) -> tuple[int, int]:
        if not len(self.line_ends):
            return 0, first
        while opener >= first:
            low = max(first, opener - 2 * _MANY_CELLS)
            openers = np.arange(low, opener + 1, 2)
            floors = quotes[np.maximum(openers - 1, 0)]
            floors[openers == first] = -1
            at = np.searchsorted(self.line_ends, quotes[openers]) - 1
            found = (at >= 0) & (self.line_ends[np.maximum(at, 0)] > floors)
            if len(hits := np.flatnonzero(found)):
                last = hits[-1]
                return int(self.line_ends[at[last]]) + 1, int(openers[last])
            opener = low - 2
        return 0, first
