"""A version as an Excel workbook, streamed: no part of it waits for another.

A sheet takes 1,048,576 rows; what is more goes on in the next one, with the header again.
The list of sheets stands at the end of the archive, where it is known. No sheet grows
beyond what fits without the ZIP64 form, which Excel does not read in streamed archives.
"""

import zipfile
from collections.abc import Iterator
from typing import IO, cast
from xml.sax.saxutils import quoteattr

import polars as pl

from foretell.tabular.sheet_cells import header_row, sheet_rows
from foretell.tabular.sinks import Sink

MAX_ROWS = 1_048_576
MAX_SHEET_BYTES = 1 << 30
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_LEVEL = 1  # of compression: XML shrinks tenfold at any level
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><numFmts count="3">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss.000"/>'
    '<numFmt numFmtId="166" formatCode="hh:mm:ss"/></numFmts>'
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="5"><xf/>'
    '<xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="165" applyNumberFormat="1"/>'
    '<xf numFmtId="166" applyNumberFormat="1"/><xf quotePrefix="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
_ROOT = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)


def workbook(
    frames: Iterator[pl.DataFrame],
    *,
    max_rows: int = MAX_ROWS,
    max_bytes: int = MAX_SHEET_BYTES,
) -> Iterator[bytes]:
    """Yield the bytes of a workbook with the rows of the frames.

    Args:
        frames: At least one; all of the same columns.
        max_rows, max_bytes: Where a sheet ends, header included.
    """
    sink = Sink()
    with zipfile.ZipFile(
        cast("IO[bytes]", sink), "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL
    ) as book:
        sheets = _Sheets(book, max_rows, max_bytes)
        for frame in frames:
            for _ in sheets.add(frame):
                if chunk := sink.take():
                    yield chunk
        for name, text in _closing(sheets.finish()):
            book.writestr(name, text)
    yield sink.take()


class _Sheets:
    """Writes rows into one sheet after another."""

    def __init__(self, book: zipfile.ZipFile, max_rows: int, max_bytes: int) -> None:
        self._book = book
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._count = 0
        self._sheet: IO[bytes] | None = None
        self._rows = self._bytes = 0

    def add(self, frame: pl.DataFrame) -> Iterator[None]:
        """Write rows; gives way after each piece, so that it can be sent."""
        if self._sheet is None:
            self._start(frame.columns)
        while frame.height:
            left = self._max_rows - self._rows
            if left <= 0 or self._bytes >= self._max_bytes:
                self._start(frame.columns)
                left = self._max_rows - self._rows
            self._write(sheet_rows(frame.head(left)))
            self._rows += min(frame.height, left)
            frame = frame.slice(left)
            yield

    def finish(self) -> int:
        """End the last sheet; returns how many there are."""
        self._end()
        return self._count

    def _start(self, names: list[str]) -> None:
        self._end()
        self._count += 1
        path = f"xl/worksheets/sheet{self._count}.xml"
        info = zipfile.ZipInfo(path)
        info.compress_type = zipfile.ZIP_DEFLATED
        self._sheet = self._book.open(info, "w")
        self._bytes = 0
        self._write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>')
        self._write(header_row(names))
        self._rows = 1

    def _write(self, text: str) -> None:
        data = text.encode()
        self._bytes += len(data)
        if self._sheet is not None:
            self._sheet.write(data)

    def _end(self) -> None:
        if self._sheet is not None:
            self._write("</sheetData></worksheet>")
            self._sheet.close()
            self._sheet = None


def _closing(sheets: int) -> Iterator[tuple[str, str]]:
    """The small parts of a workbook, which name its sheets."""
    numbers = range(1, sheets + 1)
    listed = "".join(
        f'<sheet name={quoteattr(_sheet_name(n))} sheetId="{n}" r:id="rId{n}"/>'
        for n in numbers
    )
    related = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" '
        f'Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" '
        f'ContentType="{_KIND}.worksheet+xml"/>'
        for n in numbers
    )
    yield "xl/styles.xml", _STYLES
    yield (
        "xl/workbook.xml",
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets>'
        "</workbook>",
    )
    yield (
        "xl/_rels/workbook.xml.rels",
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{related}'
        f'<Relationship Id="rId{sheets + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>",
    )
    yield "_rels/.rels", _ROOT
    yield (
        "[Content_Types].xml",
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/>{kinds}'
        "</Types>",
    )


def _sheet_name(number: int) -> str:
    return "rows" if number == 1 else f"rows {number}"
