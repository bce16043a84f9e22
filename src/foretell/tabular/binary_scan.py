"""A first look at a sheet of a binary workbook (XLSB), as `sheet_scan` has of XML.

A part is a row of records: a type and a size, each in up to four bytes of seven bits,
then the data ([MS-XLSB], section 2.1.4).
"""

from collections.abc import Iterable, Iterator
from struct import unpack_from

from foretell.tabular.errors import DamagedFile
from foretell.tabular.sheet_scan import SheetScan

BINARY_WORKBOOK = "a binary Excel workbook (XLSB)"
_ROW = 0
_BLANK = 1
_ERRORS = (3, 11)
_OWN_TEXTS = (6, 8)
_LAST_CELL = 11
_BUNDLE_SHEET = 156
_MOST_NOTED = 100_000
_LONGEST = 16 << 20
_CODES = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}


def scan_binary_sheet(blocks: Iterable[bytes]) -> SheetScan:
    """Look through the records of one sheet.

    Raises:
        DamagedFile: A record is longer than any that is written, or too short.
    """
    scan = SheetScan()
    row = 0
    columns: set[int] = set()
    lines: list[int] = []
    for kind, data in _records(blocks):
        scan.bytes += len(data)
        if kind > _LAST_CELL:
            continue
        if len(data) < 4:
            raise DamagedFile(BINARY_WORKBOOK, "a record is too short.")
        (number,) = unpack_from("<I", data)
        if kind == _ROW:
            row = number
            scan.rows += 1
            continue
        scan.cells += 1
        columns.add(number)
        if kind != _BLANK:
            scan.values += 1
            lines = [min(row, *lines), max(row, *lines)] if lines else [row, row]
        scan.own_texts += kind in _OWN_TEXTS
        if kind in _ERRORS:
            scan.errors += 1
            if len(data) > 8 and len(scan.error_cells) < _MOST_NOTED:
                place = (row + 1, number)
                scan.error_cells[place] = _CODES.get(data[8], "#ERROR!")
    if columns:
        scan.width = max(columns) - min(columns) + 1
        scan.height = lines[1] - lines[0] + 1 if lines else 0
    return scan


def sheet_relations(blocks: Iterable[bytes]) -> dict[str, str]:
    """Return the relation of each sheet, by its name, from the list of sheets."""
    found: dict[str, str] = {}
    for kind, data in _records(blocks):
        if kind == _BUNDLE_SHEET:
            relation, at = _text(data, 8)
            found[_text(data, at)[0]] = relation
    return found


def _text(data: bytes, at: int) -> tuple[str, int]:
    if len(data) < at + 4:
        raise DamagedFile(BINARY_WORKBOOK, "its list of sheets is damaged.")
    (size,) = unpack_from("<I", data, at)
    end = at + 4 + 2 * size
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


def _records(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    held = b""
    for block in blocks:
        held += block
        at = 0
        while (found := _header(held, at)) is not None:
            kind, start, size = found
            if size > _LONGEST:
                raise DamagedFile(BINARY_WORKBOOK, "a record is too long.")
            if start + size > len(held):
                break
            yield kind, held[start : start + size]
            at = start + size
        held = held[at:]


def _header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Return type, start and size of the record here, if its head is whole."""
    if len(data) < at + 2:
        return None
    kind = data[at]
    at += 1
    if kind & 0x80:
        kind = (kind & 0x7F) | ((data[at] & 0x7F) << 7)
        at += 1
    size = 0
    for shift in (0, 7, 14, 21):
        if at >= len(data):
            return None
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    return kind, at, size
