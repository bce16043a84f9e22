"""Workbooks for tests: by openpyxl, or part by part where openpyxl would not."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

import openpyxl

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def workbook(*sheets: tuple[str, Sequence[Sequence[Any]]], epoch: Any = None) -> bytes:
    """Return a workbook of named sheets, each given by its rows."""
    book = openpyxl.Workbook()
    if epoch is not None:
        book.epoch = epoch
    book.remove(book.worksheets[0])
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sheet_of(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a workbook of one sheet."""
    return workbook(("Sheet1", rows))


def raw_workbook(
    sheet: Iterable[bytes],
    *,
    shared: Iterable[bytes] = (),
    more: dict[str, bytes] | None = None,
    workbook_xml: bytes | None = None,
) -> bytes:
    """Return a workbook whose only sheet has this XML inside `sheetData`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _root_relations())
        archive.writestr("xl/workbook.xml", workbook_xml or _workbook_xml())
        archive.writestr("xl/_rels/workbook.xml.rels", _relations())
        _write(archive, "xl/sharedStrings.xml", "sst", shared)
        _write(archive, "xl/worksheets/sheet1.xml", "worksheet", _data(sheet))
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return file.getvalue()


def _workbook_xml() -> bytes:
    return (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ).encode()


def _root_relations() -> bytes:
    return _relationships(("rId1", "officeDocument", "xl/workbook.xml"))


def _relations() -> bytes:
    return _relationships(
        ("rId1", "worksheet", "worksheets/sheet1.xml"),
        ("rId2", "sharedStrings", "sharedStrings.xml"),
    )


def _relationships(*parts: tuple[str, str, str]) -> bytes:
    relations = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, kind, target in parts
    )
    return f'<Relationships xmlns="{_RELATIONS}">{relations}</Relationships>'.encode()


def _data(rows: Iterable[bytes]) -> Iterable[bytes]:
    yield b"<sheetData>"
    yield from rows
    yield b"</sheetData>"


def _write(
    archive: zipfile.ZipFile, name: str, root: str, pieces: Iterable[bytes]
) -> None:
    with archive.open(name, "w", force_zip64=True) as part:
        part.write(f'<{root} xmlns="{_MAIN}">'.encode())
        for piece in pieces:
            part.write(piece)
        part.write(f"</{root}>".encode())
