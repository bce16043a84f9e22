"""Read one sheet of a workbook (XLSX, XLSB, XLS, ODS) into Parquet parts and rejects.

The way of the bytes: archive judged → sheet chosen and measured (`measured`) → rows
from calamine, which holds the sheet as a whole → header → columns of typed cells
(`sheet_columns`) → forced types → parts and rejects. A cell keeps the type that it
has in the workbook; a formula is its last result, an error is no value.
Runs in a sandboxed child.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import python_calamine as calamine

from foretell.tabular.errors import (
    DamagedFile,
    EmptyFile,
    MacrosRefused,
    SheetNotFound,
    SheetTooLarge,
)
from foretell.tabular.macros import refuse_macros
from foretell.tabular.measured_sheets import MeasuredSheets, measured
from foretell.tabular.messages import ImportRequest, ImportResult, Progress
from foretell.tabular.sheet_scan import SheetScan
from foretell.tabular.sheet_table import ChosenSheet, SheetTable

Report = Callable[[Progress], None]
_SHEET = calamine.SheetTypeEnum.WorkSheet
_MACRO_SHEET = calamine.SheetTypeEnum.MacroSheet
_VISIBLE = calamine.SheetVisibleEnum.Visible
# What is left is for our own columns, and for the part being written: 16.8 million
# numbers, 1.15 GiB by the estimate, took 1.23 GiB in all.
_SHARE_OF_MEMORY = 0.75
_MIB = 1 << 20


def import_workbook(request: ImportRequest, report: Report) -> ImportResult:
    """Read one sheet.

    Raises:
        DamagedFile: The workbook cannot be read.
        NotATable: It is protected by a password.
        MacrosRefused: It holds macros, and the options do not say to ignore them.
        SheetNotFound: There is no sheet as named.
        EmptyFile: No sheet, or not the one named, holds anything.
        InflatedTooLarge, SheetTooLarge: It unpacks to too much, or would not fit
            into memory.
    """
    path = Path(request.source)
    size = path.stat().st_size
    report(Progress(stage="opening the workbook", done=0, total=size))
    with ExitStack() as stack:
        sheets = stack.enter_context(measured(path, request.limits))
        may_have_macros = request.options.macros == "ignore"
        if not may_have_macros:
            refuse_macros(path, sheets.format, sheets.kind)
        _check_held(sheets, request)
        book = stack.enter_context(_opened(path, sheets.kind))
        if not may_have_macros and _has_macro_sheet(book):
            raise MacrosRefused(sheets.kind)
        chosen, scan = _choose(book, sheets, request.options.sheet)
        _check_room(scan, sheets.shared_bytes, request)
        sheet = _sheet(book, chosen)
        chosen.has_merged_cells = bool(sheet.merged_cell_ranges)
        chosen.first_column = sheet.start[1] if sheet.start else 0
        table = SheetTable(request, chosen, scan, report)
        table.collect(sheet.iter_rows(), sheet.total_height)
        del sheet
    return table.write()


def _opened(path: Path, kind: str) -> calamine.CalamineWorkbook:
    try:
        return calamine.CalamineWorkbook.from_path(str(path))
    except calamine.PasswordError as error:
        raise DamagedFile(kind, "it is protected by a password.") from error
    except (calamine.CalamineError, OSError) as error:
        raise _damaged(kind, error) from error


def _has_macro_sheet(book: calamine.CalamineWorkbook) -> bool:
    return any(sheet.typ == _MACRO_SHEET for sheet in book.sheets_metadata)


def _damaged(kind: str, error: Exception) -> DamagedFile:
    said = str(error).rstrip(".")[:200]
    if not said or "detect" in said:  # it tried every format it knows
        said = "parts of it are damaged or missing"
    return DamagedFile(kind, f"{said}.")


def _sheet(
    book: calamine.CalamineWorkbook, chosen: ChosenSheet
) -> calamine.CalamineSheet:
    try:
        return book.get_sheet_by_name(chosen.name)
    except (calamine.CalamineError, OSError) as error:
        raise _damaged(chosen.kind, error) from error


def _choose(
    book: calamine.CalamineWorkbook, measured: MeasuredSheets, wanted: str | int | None
) -> tuple[ChosenSheet, SheetScan]:
    """Return the sheet named, or the first one that holds anything.

    The first of all where none seems to: the reader has the last word.
    """
    sheets = [sheet for sheet in book.sheets_metadata if sheet.typ == _SHEET]
    names = [sheet.name for sheet in sheets]

    def chosen(name: str) -> ChosenSheet:
        return ChosenSheet(name, names, measured.format, measured.kind)

    if wanted is not None:
        name = _named(wanted, names)
        return chosen(name), measured.scan(name, book)
    visible = [sheet.name for sheet in sheets if sheet.visible == _VISIBLE]
    hidden = [name for name in names if name not in visible]
    scans: dict[str, SheetScan] = {}
    for name in (*visible, *hidden):
        scans[name] = measured.scan(name, book)
        if scans[name].values:
            return chosen(name), scans[name]
    for name, scan in scans.items():
        return chosen(name), scan
    raise EmptyFile


def _named(wanted: str | int, names: list[str]) -> str:
    if isinstance(wanted, int):
        if 0 <= wanted < len(names):
            return names[wanted]
    elif wanted in names:
        return wanted
    raise SheetNotFound(wanted, names)


def _check_held(sheets: MeasuredSheets, request: ImportRequest) -> None:
    total = sum(scan.memory_bytes for scan in sheets.held)
    for scan in sheets.held:
        _check_room(scan, (total - scan.memory_bytes) // 2, request)


def _check_room(scan: SheetScan, shared_bytes: int, request: ImportRequest) -> None:
    """Refuse what calamine could not hold; it would abort, or be killed."""
    limits = request.limits
    if scan.height > limits.sheet_rows:
        raise SheetTooLarge(
            f"The sheet has {scan.height:,} rows; at most {limits.sheet_rows:,} are read."
        )
    if scan.area > limits.sheet_cells or scan.cells > limits.sheet_cells:
        most = max(scan.area, scan.cells)
        raise SheetTooLarge(
            f"The sheet spans {most:,} cells; at most {limits.sheet_cells:,} are read."
            " Save it as CSV, or delete far cells that hold nothing."
        )
    needed = scan.memory_bytes + 2 * shared_bytes
    room = int(limits.memory_bytes * _SHARE_OF_MEMORY)
    if needed > room:
        raise SheetTooLarge(
            f"Opening the sheet would take about {needed // _MIB} MiB of memory, and"
            f" {room // _MIB} MiB may be used. Save it as CSV, or raise WORKER_MEMORY."
        )
