"""How large each sheet of a workbook is, known before a native library opens it.

calamine holds a sheet as a whole (of XLS and ODS all of them), and a process that asks
for more memory than there is aborts. So each kind of workbook is looked through first,
piece by piece, and what would not fit is refused with its figures.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import python_calamine as calamine

from foretell.tabular.binary_scan import (
    BINARY_WORKBOOK,
    scan_binary_sheet,
    sheet_relations,
)
from foretell.tabular.containers import Container, find_container
from foretell.tabular.errors import NotATable
from foretell.tabular.messages import ImportLimits
from foretell.tabular.open_document_scan import SPREADSHEET, scan_tables
from foretell.tabular.sheet_scan import SheetScan, scan_sheet
from foretell.tabular.workbook_package import WORKBOOK, WorkbookPackage

_OLD_WORKBOOK = "an old Excel workbook (XLS)"
# An XLS file is not packed: what it holds is of the size of the file, but for texts
# that many cells share.
_TIMES_ITS_SIZE = 4

Scan = Callable[[str, calamine.CalamineWorkbook], SheetScan]


@dataclass(frozen=True, slots=True)
class MeasuredSheets:
    """A workbook whose sheets can be measured.

    Attributes:
        format, kind: What it is: for programs, and in words.
        shared_bytes: What the reader holds whichever sheet is chosen.
        held: The sheets that it holds as soon as it has opened the workbook.
        scan: Gives the measures of a sheet by its name; none where there is no such
            sheet.
    """

    format: Container
    kind: str
    shared_bytes: int
    scan: Scan
    held: tuple[SheetScan, ...] = ()


@contextmanager
def measured(path: Path, limits: ImportLimits) -> Generator[MeasuredSheets, None, None]:
    """Look through a workbook.

    Raises:
        DamagedFile: It cannot be read.
        NotATable: It is protected by a password.
        InflatedTooLarge: It unpacks to too much.
    """
    form = find_container(path)
    if form == "xls":
        size = path.stat().st_size * _TIMES_ITS_SIZE
        yield MeasuredSheets("xls", _OLD_WORKBOOK, size, _opened_size)
        return
    kind = {"xlsb": BINARY_WORKBOOK, "ods": SPREADSHEET}.get(form, WORKBOOK)
    with WorkbookPackage(path, limits, kind) as package:
        if form == "ods":
            yield _open_document(package)
        else:
            shared = package.drain_shared()
            scan = _xml_scan(package) if form == "xlsx" else _binary_scan(package)
            yield MeasuredSheets(form, kind, shared, scan)


def _opened_size(name: str, book: calamine.CalamineWorkbook) -> SheetScan:
    """The reader has it in memory already."""
    sheet = book.get_sheet_by_name(name)
    area = sheet.height * sheet.width
    return SheetScan(values=area, width=sheet.width, height=sheet.height)


def _xml_scan(package: WorkbookPackage) -> Scan:
    parts = package.sheet_parts()
    return lambda name, _: scan_sheet(package.blocks(parts.get(name, "")))


def _binary_scan(package: WorkbookPackage) -> Scan:
    relations = sheet_relations(package.blocks("xl/workbook.bin"))
    parts = package.targets("xl/_rels/workbook.bin.rels", relations)
    return lambda name, _: scan_binary_sheet(package.blocks(parts.get(name, "")))


def _open_document(package: WorkbookPackage) -> MeasuredSheets:
    manifest = b"".join(package.blocks("META-INF/manifest.xml"))
    if b"encryption-data" in manifest:
        raise NotATable(f"{SPREADSHEET} that is protected by a password")
    tables = scan_tables(package.blocks("content.xml"))

    def scan(name: str, _: calamine.CalamineWorkbook) -> SheetScan:
        return tables.get(name, SheetScan())

    return MeasuredSheets("ods", SPREADSHEET, 0, scan, tuple(tables.values()))
