"""One sheet as a table: its rows gathered by column, then written with their types."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from foretell.tabular.cell_patterns import NULL_TOKENS
from foretell.tabular.errors import EmptyFile, TooManyColumns
from foretell.tabular.forced_columns import ForcedColumns, TypedCells
from foretell.tabular.headers import column_names, with_required
from foretell.tabular.layout import preamble
from foretell.tabular.messages import (
    Finding,
    ImportRequest,
    ImportResult,
    Progress,
    SourceDescription,
)
from foretell.tabular.sheet_columns import Cell, SheetColumn
from foretell.tabular.sheet_rows import (
    Row,
    SheetBlock,
    cell_text,
    filled_rows,
    make_block,
    row_text,
    split_header,
)
from foretell.tabular.sheet_scan import SheetScan
from foretell.tabular.typed_rows import TypedRows, TypedTable
from foretell.tabular.version_output import VersionOutput

_BLOCK_ROWS = 8_192
_NAN = ("NaN", "nan", "NAN")


@dataclass(slots=True)
class ChosenSheet:
    """The sheet to read, the names of all of them, and what the workbook is."""

    name: str
    sheets: list[str]
    format: str
    kind: str
    has_merged_cells: bool = False
    first_column: int = 0


class SheetTable:
    """First `collect` takes in all rows, then `write` makes the version of them.

    Args:
        sheet: Which sheet it is.
        scan: What a first look at it has found.
    """

    def __init__(
        self,
        request: ImportRequest,
        sheet: ChosenSheet,
        scan: SheetScan,
        report: Callable[[Progress], None],
    ) -> None:
        self._request = request
        self._options = request.options
        self._sheet = sheet
        self._scan = scan
        self._report = report
        self._size = Path(request.source).stat().st_size
        self._blocks: list[SheetBlock] = []
        self._columns: list[SheetColumn] = []
        self._names: list[str] = []
        self._header_row: list[Cell] = []
        self._header: int | bool = False
        self._findings: list[Finding] = []
        self._records = 0

    # --- taking in -------------------------------------------------------------------

    def collect(self, rows: Iterator[list[Cell]], height: int) -> None:
        """Take in the rows of the sheet, the first one being line 1.

        Raises:
            EmptyFile: No row holds anything.
            TooManyColumns: The table is wider than allowed.
        """
        kept = {line for line, _ in self._scan.error_cells}
        filled = filled_rows(rows, self._options.skip, kept)
        header, first, filled = split_header(filled, self._options)
        if not first:
            raise EmptyFile
        self._begin(first[header.index], is_header=header.is_present)
        if header.index:
            self._findings.append(preamble(header.index, first[header.index][0]))
        if header.is_present:
            next(filled)
        self._take(filled, height)
        self._drop_blank_end()

    def _begin(self, row: Row, *, is_header: bool) -> None:
        line, cells = row
        if len(cells) > self._request.limits.columns:
            raise TooManyColumns(self._request.limits.columns)
        self._header = line if is_header else False
        self._header_row = cells if is_header else []
        texts = [cell_text(cell) if is_header else "" for cell in cells]
        self._names = with_required(column_names(texts), self._options.required)
        nulls = self._options.nulls
        tokens = NULL_TOKENS if nulls is None else _NAN
        given = [text for text in nulls or () if text]
        self._columns = [SheetColumn(tokens, given) for _ in cells]

    def _take(self, rows: Iterator[Row], height: int) -> None:
        if self._request.max_rows is not None:
            rows = itertools.islice(rows, self._request.max_rows)
        while batch := list(itertools.islice(rows, _BLOCK_ROWS)):
            first = self._records + 1
            self._records += len(batch)
            block = make_block(batch, first, self._header_row)
            self._add_long_numbers(block)
            block.cells = [
                column.take(cells)
                for column, cells in zip(self._columns, block.cells, strict=True)
            ]
            self._blocks.append(block)
            share = batch[-1][0] / max(height, 1) / 2
            self._tell("reading", share, rows=self._records)

    def _add_long_numbers(self, block: SheetBlock) -> None:
        """Put exact whole numbers where the reader gave floats that are near them."""
        first = self._sheet.first_column
        by_line = {line: row for row, line in enumerate(block.lines)}
        for (line, column), number in self._scan.long_numbers.items():
            row, place = by_line.get(line), column - first
            if row is not None and 0 <= place < len(block.cells):
                block.put_long(place, row, number)

    def _drop_blank_end(self) -> None:
        """Leave out columns at the end that have neither a name nor a cell."""
        width = len(self._columns)
        named = [cell != "" for cell in self._header_row] or [False] * width
        while width > 1 and self._columns[width - 1].is_blank and not named[width - 1]:
            width -= 1
        del self._names[width:], self._columns[width:]

    # --- writing ---------------------------------------------------------------------

    def write(self) -> ImportResult:
        """Write rows and rejects, in one pass or two.

        Raises:
            BadOption: An option cannot be followed.
        """
        forced = ForcedColumns(self._names, self._options, self._sample())
        dtypes = {
            place: column.dtype
            for place, column in enumerate(self._columns)
            if place not in forced.places
        }
        limits = self._request.limits
        table = TypedTable(self._names, forced, dtypes, limits)
        result = self._pass(table, forced.places)
        if result is None:
            table.restart()
            result = self._pass(table, forced.places)
        if result is None:
            raise RuntimeError("types proven by the whole sheet did not hold")
        return result

    def _sample(self) -> TypedCells:
        if not self._blocks or self._request.max_rows is not None:
            return {}
        return self._forced_cells(self._blocks[0], list(range(len(self._names))))

    def _forced_cells(self, block: SheetBlock, places: list[int]) -> TypedCells:
        blank = pl.Series("", [None] * block.height, dtype=pl.String)
        return {place: [*block.cells[place].values()] or [blank] for place in places}

    def _pass(self, table: TypedTable, forced: list[int]) -> ImportResult | None:
        done = 0
        with VersionOutput(self._request) as output:
            for block in self._blocks:
                table.add(self._typed(block, forced), output)
                done += block.height + len(block.rejects)
                share = 0.5 + done / max(self._records, 1) / 2
                self._tell("storing", share, output.rows, output.rejects)
            if not table.holds:
                return None
            return output.finish(
                table.columns(), table.schema(), self._records, self._describe()
            )

    def _typed(self, block: SheetBlock, forced: list[int]) -> TypedRows:
        columns = [
            None if place in forced else column.stored(cells, block.height)
            for place, (column, cells) in enumerate(
                zip(self._columns, block.cells, strict=False)
            )
        ]
        return TypedRows(
            columns=columns,
            forced=self._forced_cells(block, forced),
            lines=block.lines,
            ordinals=block.ordinals,
            raw=lambda row: self._raw(block, row),
            rejects=block.rejects,
        )

    def _raw(self, block: SheetBlock, row: int) -> str:
        texts = []
        for place, column in enumerate(self._columns):
            cells = {kind: s[row : row + 1] for kind, s in block.cells[place].items()}
            error = self._error(block.lines[row], place)
            texts.append(error or column.texts(cells, 1)[0] or "")
        return row_text(texts)

    def _error(self, line: int, place: int) -> str | None:
        return self._scan.error_cells.get((line, place + self._sheet.first_column))

    def _tell(self, stage: str, share: float, rows: int = 0, rejects: int = 0) -> None:
        self._report(
            Progress(
                stage=stage,
                done=int(self._size * min(share, 1.0)),
                total=self._size,
                rows=rows,
                rejects=rejects,
                columns=len(self._names),
            )
        )

    def _describe(self) -> SourceDescription:
        return SourceDescription(
            filename=self._request.filename,
            bytes=self._size,
            format=self._sheet.format,
            header=self._header,
            sheet=self._sheet.name,
            sheets=self._sheet.sheets,
            findings=[*self._findings, *self._cell_findings()],
        )

    def _cell_findings(self) -> Iterator[Finding]:
        if self._scan.errors:
            example = next(iter(self._scan.error_cells.values()), None)
            yield Finding(
                code="error_cells",
                message=f"{self._scan.errors} cells hold an error; they have no value.",
                example=example,
            )
        if self._sheet.has_merged_cells:
            yield Finding(
                code="merged_cells",
                message="Of merged cells only the first one has a value.",
            )
        for name, column in zip(self._names, self._columns, strict=True):
            finding = column.finding(name)
            if finding is not None:
                yield finding
