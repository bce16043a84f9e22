"""Workbooks that no library at hand writes, made by hand: XLS, XLSB and ODS.

Cells are `None`, a number, a text, a boolean, or a date; dates are whole days.
"""

import datetime
import io
import zipfile
from collections.abc import Iterator, Sequence
from struct import pack
from typing import Any

Row = Sequence[Any]
_EPOCHS = {1900: datetime.date(1899, 12, 30), 1904: datetime.date(1904, 1, 1)}


def _serial(day: datetime.date, epoch: int) -> float:
    return float((day - _EPOCHS[epoch]).days)


# --- XLS: BIFF8 records in a compound file ---------------------------------------


def xls(
    *sheets: tuple[str, Sequence[Row]],
    epoch: int = 1900,
    head: bytes = b"",
    more: bytes = b"",
) -> bytes:
    """Return an old Excel workbook; `head` and `more` are further records of the
    workbook and of each sheet."""
    bodies = [_biff_sheet(rows, epoch, more) for _, rows in sheets]
    further = head
    names = [name.encode("latin-1") for name, _ in sheets]
    head = _biff(0x0809, pack("<HHHHII", 0x0600, 5, 0, 1997, 0, 0))
    head += _biff(0x0022, pack("<H", int(epoch == 1904)))
    for number_format in (0, 14):
        head += _biff(0x00E0, pack("<HH", 0, number_format) + bytes(16))
    head += further
    at = len(head) + sum(12 + len(name) for name in names) + 4
    for name, body in zip(names, bodies, strict=True):
        head += _biff(0x0085, pack("<IBBBB", at, 0, 0, len(name), 0) + name)
        at += len(body)
    return compound(b"Workbook", head + _biff(0x000A, b"") + b"".join(bodies))


def _biff(kind: int, data: bytes) -> bytes:
    return pack("<HH", kind, len(data)) + data


def _biff_sheet(rows: Sequence[Row], epoch: int, more: bytes) -> bytes:
    width = max((len(row) for row in rows), default=0)
    found = _biff(0x0809, pack("<HHHHII", 0x0600, 0x10, 0, 1997, 0, 0))
    found += _biff(0x0200, pack("<IIHHH", 0, len(rows), 0, width, 0))
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            found += _biff_cell(y, x, cell, epoch)
    return found + more + _biff(0x000A, b"")


def _biff_cell(y: int, x: int, cell: Any, epoch: int) -> bytes:
    if cell is None:
        return b""
    if isinstance(cell, bool):
        return _biff(0x0205, pack("<HHHBB", y, x, 0, cell, 0))
    if isinstance(cell, datetime.date):
        return _biff(0x0203, pack("<HHHd", y, x, 1, _serial(cell, epoch)))
    if isinstance(cell, str):
        text = cell.encode("utf-16-le")
        return _biff(0x0204, pack("<HHHHB", y, x, 0, len(text) // 2, 1) + text)
    return _biff(0x0203, pack("<HHHd", y, x, 0, cell))


def compound(name: bytes, stream: bytes) -> bytes:
    """Put one stream into a compound file ([MS-CFB]): header, FAT, folder, stream."""
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    sectors = len(stream) // 512
    tables = -(-(sectors + 2) // 127)
    assert tables <= 109, "larger ones need further tables of tables"
    chain = [0xFFFFFFFD] * tables + [0xFFFFFFFE]
    first = len(chain)
    chain += [*range(first + 1, first + sectors), 0xFFFFFFFE]
    chain += [0xFFFFFFFF] * (tables * 128 - len(chain))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += pack("<IIIIIIIII", 0, tables, tables, 0, 4096, 2**32 - 2, 0, 2**32 - 2, 0)
    places = [*range(tables), *[0xFFFFFFFF] * (109 - tables)]
    root = _entry(b"Root Entry", 5, child=1, start=2**32 - 2, size=0)
    folder = root + _entry(name, 2, child=2**32 - 1, start=first, size=len(stream))
    return (
        header
        + pack("<109I", *places)
        + pack(f"<{len(chain)}I", *chain)
        + folder.ljust(512, b"\0")
        + stream
    )


def _entry(name: bytes, kind: int, *, child: int, start: int, size: int) -> bytes:
    text = name.decode().encode("utf-16-le") + b"\0\0"
    none = 2**32 - 1
    return (
        text.ljust(64, b"\0")
        + pack("<HBBIII", len(text), kind, 1, none, none, child)
        + bytes(36)
        + pack("<IQ", start, size)
    )


# --- XLSB: the records of [MS-XLSB] in a ZIP archive -----------------------------

_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def xlsb(
    *sheets: tuple[str, Sequence[Row]], epoch: int = 1900, cells: bytes = b""
) -> bytes:
    """Return a binary Excel workbook; `cells` are further records of each sheet."""
    book = _record(131) + _record(153, pack("<III", int(epoch == 1904), 0, 0))
    book += _record(143)
    for number, (name, _) in enumerate(sheets, 1):
        relation = _wide(f"rId{number}")
        book += _record(156, pack("<II", 0, number) + relation + _wide(name))
    book += _record(144) + _record(132)
    styles = _record(278) + _record(617, pack("<I", 2))
    for number_format in (0, 14):
        styles += _record(47, pack("<HH", 0, number_format) + bytes(12))
    styles += _record(618) + _record(279)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.bin", book)
        archive.writestr("xl/styles.bin", styles)
        links = "".join(
            f'<Relationship Id="rId{n}" Target="worksheets/sheet{n}.bin"/>'
            for n in range(1, len(sheets) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.bin.rels",
            f'<Relationships xmlns="{_RELATIONS}">{links}</Relationships>',
        )
        for number, (_, rows) in enumerate(sheets, 1):
            sheet = _binary_sheet(rows, epoch, cells)
            archive.writestr(f"xl/worksheets/sheet{number}.bin", sheet)
    return file.getvalue()


def _record(kind: int, data: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, sizes = len(data), []
    while True:
        sizes.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return head + bytes(sizes) + data


def _wide(text: str) -> bytes:
    return pack("<I", len(text)) + text.encode("utf-16-le")


def _binary_sheet(rows: Sequence[Row], epoch: int, cells: bytes) -> bytes:
    width = max((len(row) for row in rows), default=1)
    found = _record(129) + _record(148, pack("<IIII", 0, len(rows) - 1, 0, width - 1))
    found += _record(145)
    for y, row in enumerate(rows):
        found += binary_row(y)
        for x, cell in enumerate(row):
            found += _binary_cell(x, cell, epoch)
    return found + cells + _record(146) + _record(130)


def binary_row(y: int) -> bytes:
    """Return the record that starts row `y`, from 0."""
    return _record(0, pack("<I", y) + bytes(13))


def binary_number(x: int, number: float) -> bytes:
    """Return the record of a number in column `x`, from 0."""
    return _record(5, pack("<IId", x, 0, number))


def _binary_cell(x: int, cell: Any, epoch: int) -> bytes:
    if cell is None:
        return b""
    if isinstance(cell, bool):
        return _record(4, pack("<IIB", x, 0, cell))
    if isinstance(cell, datetime.date):
        return _record(5, pack("<IId", x, 1, _serial(cell, epoch)))
    if isinstance(cell, str):
        return _record(6, pack("<II", x, 0) + _wide(cell))
    return binary_number(x, cell)


# --- ODS: one XML part in a ZIP archive ------------------------------------------

_OASIS = "urn:oasis:names:tc:opendocument:xmlns"
_OPEN = (
    f'<office:document-content xmlns:office="{_OASIS}:office:1.0"'
    f' xmlns:table="{_OASIS}:table:1.0" xmlns:text="{_OASIS}:text:1.0">'
    "<office:body><office:spreadsheet>"
)
_CLOSE = "</office:spreadsheet></office:body></office:document-content>"


def ods(*sheets: tuple[str, Sequence[Row]]) -> bytes:
    """Return an OpenDocument spreadsheet."""
    return raw_ods(*((name, "".join(_xml_rows(rows))) for name, rows in sheets))


def raw_ods(*sheets: tuple[str, str], prolog: str = "") -> bytes:
    """Return an OpenDocument spreadsheet whose tables have this XML inside."""
    tables = "".join(
        f'<table:table table:name="{name}">{xml}</table:table>' for name, xml in sheets
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        kind = "application/vnd.oasis.opendocument.spreadsheet"
        archive.writestr(zipfile.ZipInfo("mimetype"), kind)
        archive.writestr("content.xml", prolog + _OPEN + tables + _CLOSE)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    return file.getvalue()


def _xml_rows(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        cells = "".join(map(_xml_cell, row))
        yield f"<table:table-row>{cells}</table:table-row>"


def _xml_cell(cell: Any) -> str:
    if cell is None:
        return "<table:table-cell/>"
    kind, attribute = "string", ""
    if isinstance(cell, bool):
        kind, attribute = "boolean", f' office:boolean-value="{str(cell).lower()}"'
    elif isinstance(cell, datetime.date):
        kind, attribute = "date", f' office:date-value="{cell.isoformat()}"'
    elif not isinstance(cell, str):
        kind, attribute = "float", f' office:value="{cell}"'
    return (
        f'<table:table-cell office:value-type="{kind}"{attribute}>'
        f"<text:p>{cell}</text:p></table:table-cell>"
    )
