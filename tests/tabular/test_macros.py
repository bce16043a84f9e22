"""Workbooks with macros are refused, unless their sender says to ignore them."""

import io
import zipfile
from typing import Any

import pytest

from foretell.tabular.errors import MacrosRefused

from .old_workbook_bytes import ods, xls, xlsb
from .workbook_bytes import sheet_of

ROWS: list[list[Any]] = [["a"], [1]]


def with_part(data: bytes, name: str) -> bytes:
    """The same archive with one more part."""
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"Sub Auto_Open()")
    return file.getvalue()


def old_with_project() -> bytes:
    """An XLS file that has a macro project, by the name of its storage."""
    return xls(("S", ROWS)) + "_VBA_PROJECT_CUR\0".encode("utf-16-le")


FILES = {
    "XLSM": with_part(sheet_of(ROWS), "xl/vbaProject.bin"),
    "XLSX with a sheet of macros": with_part(
        sheet_of(ROWS), "xl/macrosheets/sheet1.xml"
    ),
    "XLSB": with_part(xlsb(("S", ROWS)), "xl/vbaProject.bin"),
    "XLS": old_with_project(),
    "ODS": with_part(ods(("S", ROWS)), "Basic/Standard/Module1.xml"),
    "ODS with a script": with_part(ods(("S", ROWS)), "Scripts/python/run.py"),
}


@pytest.mark.parametrize("form", FILES)
def test_macros_are_refused_and_may_be_ignored(import_bytes, form):
    with pytest.raises(MacrosRefused, match='macros: "ignore"') as caught:
        import_bytes(FILES[form])
    assert caught.value.status == 415
    found = import_bytes(FILES[form], macros="ignore")
    assert found.frame.rows() == [(1,)]


def test_a_file_that_only_speaks_of_macros_is_read(import_bytes):
    found = import_bytes(sheet_of([["a"], ["vbaProject.bin"]]))
    assert found.frame.rows() == [("vbaProject.bin",)]
