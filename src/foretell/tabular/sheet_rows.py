"""The rows of a sheet: which name the columns, which are data, in blocks of columns.

Blank rows are no records. Where the table starts is judged by the rules for delimited
text, on the first rows as they are written.
"""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from foretell.tabular.as_written import written
from foretell.tabular.cell_patterns import cell_class
from foretell.tabular.layout import Header, find_header
from foretell.tabular.messages import ImportOptions
from foretell.tabular.rejects import Reject
from foretell.tabular.samples import SampleRow
from foretell.tabular.sheet_columns import (
    Cell,
    Cells,
    split_cells,
    with_long_number,
)

_JUDGED_ROWS = 250

Row = tuple[int, list[Cell]]
"""Line from 1, and the cells; a blank cell is an empty text."""


@dataclass(slots=True)
class SheetBlock:
    """Consecutive data rows, by column.

    Attributes:
        lines, ordinals: Row of the sheet and number of the record, from 1.
        cells: One entry for each column.
        rejects: Records in between that are no data.
    """

    lines: list[int]
    ordinals: list[int]
    cells: list[Cells]
    rejects: list[Reject] = field(default_factory=list)

    @property
    def height(self) -> int:
        return len(self.lines)

    def put_long(self, column: int, row: int, number: int) -> None:
        """Put a whole number that no float holds in the place of its float."""
        self.cells[column] = with_long_number(
            self.cells[column], row, number, self.height
        )


def make_block(rows: Sequence[Row], first: int, header: Sequence[Cell]) -> SheetBlock:
    """Return rows by column.

    Args:
        first: Number of the first row's record.
        header: The row that names the columns; it is no data where it is repeated.
    """
    is_repeated = bool(header) and sum(cell != "" for cell in header) > 1
    rejects = []
    kept: list[tuple[int, Row]] = []
    for ordinal, (line, row) in enumerate(rows, first):
        if is_repeated and row == header:
            rejects.append(_repeated_header(line, ordinal, row))
        else:
            kept.append((ordinal, (line, row)))
    return SheetBlock(
        lines=[line for _, (line, _) in kept],
        ordinals=[ordinal for ordinal, _ in kept],
        cells=[
            split_cells([row[place] for _, (_, row) in kept])
            for place in range(len(rows[0][1]))
        ],
        rejects=rejects,
    )


def _repeated_header(line: int, record: int, row: Sequence[Cell]) -> Reject:
    return Reject(
        line=line,
        record=record,
        code="repeated_header",
        reason="The row repeats the header.",
        raw=row_text([cell_text(cell) for cell in row]),
    )


def filled_rows(rows: Iterator[list[Cell]], skip: int, kept: set[int]) -> Iterator[Row]:
    """Yield the rows that hold anything.

    Args:
        skip: Rows to leave out at the top.
        kept: Lines of rows that look blank and are not: they hold errors.
    """
    blank: list[Cell] | None = None
    for line, row in enumerate(rows, 1):
        if blank is None or len(blank) != len(row):
            blank = [""] * len(row)
        if line > skip and (row != blank or line in kept):
            yield line, row


def split_header(
    rows: Iterator[Row], options: ImportOptions
) -> tuple[Header, list[Row], Iterator[Row]]:
    """Return where the table starts, the rows looked at, and all rows again.

    Raises:
        BadOption: There is no row on the line that the caller says is the header.
    """
    first = list(itertools.islice(rows, _JUDGED_ROWS))
    header = find_header(_sample(first), [], options) if first else _no_header()
    return header, first, itertools.chain(first[header.index :], rows)


def _no_header() -> Header:
    return Header(0, is_present=False, width=0, kept=0)


def _sample(rows: Sequence[Row]) -> list[SampleRow]:
    """The rows as those of delimited text are judged.

    Rows of few cells above the first one of many, such as a title, are narrow ones;
    every row after it is as wide as the table, however few of its cells are filled.
    """
    filled = [sum(cell != "" for cell in row) for _, row in rows]
    enough = max(2.0, median(filled) / 2)
    start = next((n for n, count in enumerate(filled) if count >= enough), 0)
    return [
        SampleRow(
            start=0,
            end=0,
            line=line,
            width=len(row) if at >= start or len(row) == 1 else filled[at],
            cells=[_judged(cell) for cell in row],
        )
        for at, (line, row) in enumerate(rows)
    ]


def _judged(cell: Cell) -> str:
    """The text to judge a cell by; a text that looks like a number is still a text."""
    if isinstance(cell, str):
        return cell if cell_class(cell) in ("text", "empty") else f"'{cell}"
    return cell_text(cell)


def cell_text(cell: Cell) -> str:
    """Return one cell as it is written."""
    if isinstance(cell, str):
        return cell
    (series,) = split_cells([cell]).values()
    return str(written(series)[0])


def row_text(cells: Sequence[str]) -> str:
    """Return a row as one line of CSV, for people to read."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
