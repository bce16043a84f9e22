"""A first look at a sheet's XML: how large it is, and what the reader would not tell.

The reader holds a sheet as a whole, gives errors as blanks and numbers as floats. One
pass over the inflated bytes finds the size to judge it by, the cells that hold an
error, and whole numbers of more digits than a float has.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

_OVERLAP = 512
_MOST_NOTED = 100_000
# Bytes for each cell, measured with 5 million cells of each kind: numbers and shared
# texts took 68, texts of their own 100.
_CELL_BYTES = 40
_AREA_BYTES = 32
_OWN_TEXT_BYTES = 48
_TAG_BYTES = 64

_COLUMNS = re.compile(rb""" r=["']([A-Za-z]{1,7})[0-9]""")
_ROWS = re.compile(rb"""<row [^>]{0,200}?\br=["']([0-9]{1,9})["']""")
_ERRORS = re.compile(
    rb"""<c ([^<>]*?\bt=["']e["'][^<>]*)>(?:<f[^<]*(?:</f>|/>)|<f/>)*<v[^<>]*>([^<]{1,20})"""
)
_LONG_NUMBERS = re.compile(rb"<v>(-?[0-9]{16,400})</v>")
_PLACE = re.compile(rb"""\br=["']([A-Za-z]{1,3})([0-9]{1,7})["']""")

# The two bytes after `<`, as one number.
_CELL, _BARE_CELL, _VALUE, _OWN_TEXT, _ROW = (
    int.from_bytes(tag) for tag in (b"c ", b"c>", b"v>", b"is", b"ro")
)
_TAG_ENDS = list(b" >")

Place = tuple[int, int]
"""Line from 1 and column from 0."""


@dataclass(slots=True)
class SheetScan:
    """What a sheet holds.

    Attributes:
        cells: Cells written, blank ones with a format included.
        values: Those with a value; about, and 0 only where there is none.
        rows: Rows written, blank ones included.
        width, height: Columns and rows of the rectangle around all cells.
        bytes: Size of the XML.
        own_texts: Cells that hold their text themselves.
        errors: Number of error cells.
        error_cells, long_numbers: Text of error cells, and of whole numbers that a
            float does not hold exactly, by place; the first 100,000.
    """

    cells: int = 0
    values: int = 0
    rows: int = 0
    width: int = 0
    height: int = 0
    bytes: int = 0
    own_texts: int = 0
    errors: int = 0
    error_cells: dict[Place, str] = field(default_factory=dict)
    long_numbers: dict[Place, int] = field(default_factory=dict)

    @property
    def area(self) -> int:
        """Cells of the rectangle, which the reader makes room for."""
        return self.width * self.height

    @property
    def memory_bytes(self) -> int:
        """About what the reader needs to hold the sheet."""
        texts = self.own_texts * _OWN_TEXT_BYTES
        texts += max(0, self.bytes - self.cells * _TAG_BYTES) if self.own_texts else 0
        return self.cells * _CELL_BYTES + self.area * _AREA_BYTES + texts


def scan_sheet(blocks: Iterable[bytes]) -> SheetScan:
    """Look through the XML of one sheet."""
    scan = SheetScan()
    columns: set[bytes] = set()
    rows: list[int] = []
    tail = b""
    for block in blocks:
        scan.bytes += len(block)
        piece = tail + block
        stop = piece.rfind(b"<c ", max(0, len(piece) - _OVERLAP))
        stop = len(piece) if stop <= 0 else stop
        piece, tail = piece[:stop], piece[stop:]
        _look(piece, scan, columns, rows)
    _look(tail, scan, columns, rows)
    scan.width = _span([column_index(letters) for letters in columns])
    scan.height = max(_span(rows), scan.rows)
    return scan


def _span(places: list[int]) -> int:
    return max(places) - min(places) + 1 if places else 0


def _look(piece: bytes, scan: SheetScan, columns: set[bytes], rows: list[int]) -> None:
    """Take in one piece, which ends between two cells."""
    _count_tags(piece, scan)
    scan.own_texts += piece.count(b'"inlineStr"') + piece.count(b't="str"')
    columns.update(_COLUMNS.findall(piece))
    _note_errors(piece, scan)
    _note_long_numbers(piece, scan)
    lines = [int(line) for line in _ROWS.findall(piece)]
    rows += [min(lines), max(lines)] if lines else []


def _count_tags(piece: bytes, scan: SheetScan) -> None:
    """Count `<c`, `<row`, `<v>` and `<is>`: one look at what follows each `<`, where a
    search for each tag would read the piece anew."""
    marks = np.frombuffer(piece, dtype=np.uint8)
    at = np.flatnonzero(marks == ord("<"))
    follows = marks.take(at + 1, mode="clip").astype(np.uint16) << 8
    follows |= marks.take(at + 2, mode="clip")
    counts = np.bincount(follows, minlength=1 << 16)
    scan.cells += int(counts[_CELL] + counts[_BARE_CELL])
    scan.values += int(counts[_VALUE] + counts[_OWN_TEXT])
    after_row = marks.take(at[follows == _ROW] + 4, mode="clip")
    scan.rows += int(np.isin(after_row, _TAG_ENDS).sum())


def _note_errors(piece: bytes, scan: SheetScan) -> None:
    if b't="e"' not in piece and b"t='e'" not in piece:
        return
    for found in _ERRORS.finditer(piece):
        scan.errors += 1
        place = _place(found[1])
        if place is not None and len(scan.error_cells) < _MOST_NOTED:
            scan.error_cells[place] = found[2].decode("ascii", "replace")


def _note_long_numbers(piece: bytes, scan: SheetScan) -> None:
    for found in _LONG_NUMBERS.finditer(piece):
        number = int(found[1])
        start = piece.rfind(b"<c ", max(0, found.start() - _OVERLAP), found.start())
        tag = piece[start : found.start()]
        is_number = b't="' not in tag or b't="n"' in tag
        if start < 0 or not is_number or _as_float(number) == number:
            continue
        place = _place(tag)
        if place is not None and len(scan.long_numbers) < _MOST_NOTED:
            scan.long_numbers[place] = number


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf")


def _place(tag: bytes) -> Place | None:
    found = _PLACE.search(tag)
    return None if found is None else (int(found[2]), column_index(found[1]))


def column_index(letters: bytes) -> int:
    """Return the place of a column from 0: `A` is 0, `AA` 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number - 1
