"""Work out how a table is written: its dialect, its header, where the data start.

Every guess rests on the records that the chosen dialect gives, found by the same
code that reads the whole file, so what was judged is what will be read. The caller's
options override each guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from foretell.tabular.cell_patterns import cell_class
from foretell.tabular.dialect_choice import find_dialect, usual_width
from foretell.tabular.errors import BadOption, EmptyFile, HeaderWidth, TooManyColumns
from foretell.tabular.headers import (
    column_names,
    completes_names,
    is_header,
    joined_names,
    looks_like_header,
    names_typed_columns,
    with_required,
)
from foretell.tabular.lenient import Dialect, mended
from foretell.tabular.messages import Finding, ImportOptions
from foretell.tabular.records import RecordShape
from foretell.tabular.samples import Sample, SampleRow, sample_rows

_LONGEST_TITLE = 10  # rows
_HEADER_ROWS = 50
_MOST_NAME_ROWS = 5
_FEWEST_TITLED = 3  # columns
_NEARLY = 0.75
_ROW_NAMES = Finding(
    code="row_names",
    message="Every row starts with a name of its own, for which the header has none.",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a table.

    Attributes:
        dialect, shape: How records are written.
        names: The columns.
        data_offset, data_line: Where the first data record may start.
        header: Line of the header, or False.
        findings: What a person should know.
        rows: Some data rows, to guess types from.
        record_bytes: About how long a record is.
    """

    dialect: Dialect
    shape: RecordShape
    names: list[str]
    data_offset: int
    data_line: int
    header: int | bool
    findings: list[Finding]
    rows: list[list[str]]
    record_bytes: float


def find_layout(sample: Sample, options: ImportOptions, max_columns: int) -> Layout:
    """Return how the sampled table is to be read.

    Raises:
        EmptyFile: There is no line with anything on it.
        HeaderWidth: Header and rows do not belong together.
        TooManyColumns: The table is wider than allowed.
        BadOption: An option cannot be followed.
        ColumnsMissing: A required column is not there.
    """
    dialect = find_dialect(sample, options)
    rows = sample_rows(sample.head, dialect, first_line=sample.skipped + 1)
    if not rows:
        raise EmptyFile
    if usual_width(rows)[0] > max_columns:
        raise TooManyColumns(max_columns)  # before anything looks at each of them
    first = _mended_first(rows, sample, dialect)
    rows[0] = _with_row_names(first, rows[1:])
    later = [row for piece in sample.later for row in sample_rows(piece, dialect)]
    header = find_header(rows, later, options)
    names_row = _names_row(rows, header)
    data = rows[header.index + header.rows :]
    if header.width > max_columns:
        raise TooManyColumns(max_columns)
    names = with_required(_names(names_row, header), options.required)
    offset, line = _data_start(sample, rows, header)
    return Layout(
        dialect=dialect,
        shape=RecordShape(
            width=header.width,
            kept=len(names),
            header=_header_bytes(sample, names_row, len(names)),
        ),
        names=names,
        data_offset=offset,
        data_line=line,
        header=names_row.line if names_row else False,
        findings=[
            *_findings(rows, header, dialect),
            *([] if rows[0] is first else [_ROW_NAMES]),
        ],
        rows=[
            row.cells[: len(names)]
            for row in (*data, *later)
            if row.cells is not None
            and len(row.cells) == header.width
            and (names_row is None or row.cells != names_row.cells)
        ],
        record_bytes=len(sample.head) / len(rows),
    )


def _header_bytes(sample: Sample, row: SampleRow | None, columns: int) -> bytes:
    """A repeated header is only told from data where it has several names."""
    if row is None or columns < 2 or len(set(row.cells or ())) < 2:
        return b""
    return sample.head[row.start : row.end]


# --- header ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Header:
    """Where the table starts: its first row, and the cells in a row as written.

    `more` rows below the first one name the columns too.
    """

    index: int
    is_present: bool
    width: int
    kept: int
    more: int = 0

    @property
    def rows(self) -> int:
        """How many rows name the columns."""
        return self.is_present + self.more


def _mended_first(
    rows: Sequence[SampleRow], sample: Sample, dialect: Dialect
) -> SampleRow:
    """The first row; read loosely where it is damaged: it may name the columns."""
    first, (width, _) = rows[0], usual_width(rows[1:])
    if first.cells is not None and (first.width == width or width < 2):
        return first
    names = [cell for cell in first.cells or () if cell.strip()]
    if len(names) == width and all(cell_class(name) == "text" for name in names):
        return replace(first, cells=names, width=width)
    text = sample.head[first.start : first.end].decode("utf-8", "replace")
    cells = mended(text.removesuffix("\r"), dialect, width)
    are_names = all(cell_class(cell) == "text" for cell in cells)
    is_close = width < 2 or (len(cells) == width - 1 and are_names)
    if len(cells) == width or is_close:
        return replace(first, cells=cells, width=len(cells))
    return first


def _with_row_names(first: SampleRow, data: Sequence[SampleRow]) -> SampleRow:
    """The first row with a name left open where every row starts with a name of its own.

    So R writes tables: all texts in quotes, and no name above the names of the rows,
    which are all different.
    """
    rows = [row for row in data if row.cells is not None]
    has_more = rows and all(row.width == first.width + 1 for row in rows)
    if not (has_more and first.is_quoted and len(rows) > 1 and first.cells):
        return first
    names = [(row.cells or [""])[0] for row in rows]
    are_texts = all(cell_class(name) == "text" for name in names)
    is_named = are_texts and len(set(names)) == len(names)
    if not (is_named and all(row.is_quoted for row in rows)):
        return first
    return replace(first, cells=["", *first.cells], width=first.width + 1)


def _names_row(rows: Sequence[SampleRow], header: Header) -> SampleRow | None:
    """The row that names the columns; of several, their names joined."""
    if not header.is_present:
        return None
    first = rows[header.index]
    if not header.more:
        return first
    parts = [row.cells or [] for row in rows[header.index :][: header.rows]]
    return replace(first, cells=joined_names(parts))


def find_header(
    rows: Sequence[SampleRow], later: Sequence[SampleRow], options: ImportOptions
) -> Header:
    """Return where the table starts and whether its first row names the columns.

    Raises:
        HeaderWidth: Header and rows do not belong together.
        BadOption: There is no row on the line that the caller says is the header.
    """
    if options.header is False:
        width, _ = usual_width([*rows, *later])
        return Header(0, False, width, width)
    if options.header is not None and options.header is not True:
        return _header_on_line(rows, later, options.header)
    index = _table_start(rows, later)
    if options.header is True or options.required:
        return _fit(rows, later, index)
    if rows[index].cells is None:  # nobody can tell what it names
        width, _ = usual_width([*rows[index + 1 :], *later])
        return Header(index, False, width, width)
    cells = [row.cells for row in rows[index + 1 :][:_HEADER_ROWS] if row.cells]
    first = rows[index]
    same = [row for row in cells if len(row) == first.width]
    is_judged = (
        first.cells and (same or not cells) and not _names_forced(first, options)
    )
    if is_judged and not is_header(first.cells or [], same):
        width, _ = usual_width([*rows[index:], *later])
        return Header(index, False, width, width)
    header = _fit(rows, later, index)
    return replace(header, more=_more_names(rows, header))


def _more_names(rows: Sequence[SampleRow], header: Header) -> int:
    """How many rows below the first name the columns too, such as one of units.

    In columns of numbers, dates or booleans all of their cells are texts; or they
    name just what the row above leaves open, as below the name of a group.
    """
    index = header.index + 1
    above = rows[header.index].cells or []
    for count, row in enumerate(rows[index : index + _MOST_NAME_ROWS]):
        below = [r.cells for r in rows[index + count + 1 :][:_HEADER_ROWS] if r.cells]
        is_judged = row.cells and row.width == header.width and len(below) > 2
        if not is_judged:
            return count
        cells = row.cells or []
        is_below_groups = count == 0 and completes_names(above, cells)
        if not (is_below_groups or names_typed_columns(cells, below)):
            return count
    return 0  # so many rows of texts are no header


def _names_forced(row: SampleRow, options: ImportOptions) -> bool:
    """The caller forces types of columns that this row names: it is the header."""
    forced = {*options.types, *options.date_format}
    return bool(forced) and forced <= set(column_names(row.cells or []))


def _header_on_line(
    rows: Sequence[SampleRow], later: Sequence[SampleRow], line: int
) -> Header:
    for index, row in enumerate(rows):
        if row.line == line:
            return _fit(rows, later, index)
    raise BadOption(f"There is no row to be the header on line {line}.")


def _table_start(rows: Sequence[SampleRow], later: Sequence[SampleRow]) -> int:
    """Return the index of the table's first row; what stands before is a preamble."""
    width, _ = usual_width([*rows, *later])
    first = next((i for i, row in enumerate(rows) if row.width == width), 0)
    titles = _padded_titles(rows[first:], width)
    if titles:
        return first + titles
    if first == 0 or rows[0].cells is None or rows[0].width < 2:
        return first
    if all((row.cells or [""])[0].startswith("#") for row in rows[:first]):
        return first  # comments
    if any(row.width == rows[0].width for row in rows[1:first]):
        return 0  # a table of its own: its rows must not be taken for a title
    # The first row has another width: names for other columns, or a title above.
    following = [row.cells for row in rows[first + 1 :][:_HEADER_ROWS] if row.cells]
    candidate = rows[first].cells or []
    if first == 1 and looks_like_header(candidate, following) is not True:
        is_close = abs(rows[0].width - width) == 1
        is_named = all(cell_class(cell) == "text" for cell in rows[0].cells[:-1])
        return 0 if is_close and is_named else first
    return first


def _padded_titles(rows: Sequence[SampleRow], width: int) -> int:
    """How many rows at the top are a title, filled up with empty cells."""
    filled = [sum(cell.strip() != "" for cell in row.cells or ()) for row in rows]
    count = next((n for n, cells in enumerate(filled) if cells > 1), 0)
    is_wide = width >= _FEWEST_TITLED or (width > 1 and 0 in filled[:count])
    if not 0 < count <= _LONGEST_TITLE or not is_wide:
        return 0
    body = [cells for cells in filled[count:] if cells]
    is_full = median(body) >= max(2, width / 2)
    return count if is_full or _names_all(rows[count:]) else 0


def _names_all(rows: Sequence[SampleRow]) -> bool:
    """Whether the first row has a text in nearly every column that is ever filled."""
    names = {n for n, cell in enumerate(rows[0].cells or ()) if cell.strip()}
    used = {n for row in rows for n, cell in enumerate(row.cells or ()) if cell.strip()}
    cells = [cell for cell in rows[0].cells or () if cell.strip()]
    are_texts = all(cell_class(cell) == "text" for cell in cells)
    return len(names) >= max(_FEWEST_TITLED, _NEARLY * len(used)) and are_texts


def _fit(rows: Sequence[SampleRow], later: Sequence[SampleRow], index: int) -> Header:
    """Match the width of the header with that of the rows.

    Raises:
        HeaderWidth: Every row has more, or fewer, cells than the header has names.
    """
    names = rows[index].cells or []
    data = [row for row in (*rows[index + 1 :], *later) if row.cells is not None]
    width, _ = usual_width(data) if data else (len(names), 0)
    fitting = any(row.width == len(names) for row in data)
    if width == len(names) or not data:
        return Header(index, True, len(names), len(names))
    if width == len(names) + 1 and _ends_empty(data, width):
        return Header(index, True, width, len(names))
    if width == len(names) - 1 and not names[-1].strip():
        return Header(index, True, width, width)
    if fitting or len(data) < 2:
        return Header(index, True, len(names), len(names))
    raise HeaderWidth(len(names), width)


def _ends_empty(data: Sequence[SampleRow], width: int) -> bool:
    return not any(
        row.cells[-1].strip() for row in data if row.cells and row.width == width
    )


def _names(row: SampleRow | None, header: Header) -> list[str]:
    if row is None:
        return column_names([""] * header.kept)
    return column_names((row.cells or [])[: header.kept])


def _data_start(
    sample: Sample, rows: Sequence[SampleRow], header: Header
) -> tuple[int, int]:
    first = rows[header.index]
    if not header.is_present:
        return sample.offset + first.start, first.line
    last = rows[header.index + header.more]
    end = min(last.end + 1, len(sample.head))
    lines = sample.head.count(sample.line_end.encode(), 0, end)
    return sample.offset + end, sample.skipped + 1 + lines


def preamble(rows: int, line: int) -> Finding:
    """Say that rows above the table's first line were left out."""
    return Finding(
        code="preamble",
        message=f"{rows} rows stand above the table; they were left out.",
        lines=line - 1,
    )


def _findings(
    rows: Sequence[SampleRow], header: Header, dialect: Dialect
) -> list[Finding]:
    findings: list[Finding] = []
    if header.index:
        findings.append(preamble(header.index, rows[header.index].line))
    if header.more:
        findings.append(
            Finding(
                code="header_rows",
                message=f"{header.rows} rows name the columns; their names were joined.",
                lines=header.rows,
            )
        )
    if header.width > header.kept:
        findings.append(
            Finding(
                code="trailing_delimiter",
                message="Every row ends in a delimiter; the empty last cell was dropped.",
            )
        )
    if dialect.escape:
        findings.append(
            Finding(
                code="backslash_escape",
                message="A quote after a backslash was taken as part of the cell.",
            )
        )
    if dialect.spaced:
        findings.append(
            Finding(
                code="space_after_delimiter",
                message="The space after each delimiter was taken as part of it.",
            )
        )
    return findings
