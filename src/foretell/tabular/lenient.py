"""Read one damaged line of delimited text by itself.

The fast reader takes well-formed records only. A line that is not well formed
comes here and is judged alone, so that a stray or unclosed quote costs its own line
and never the rows after it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are written.

    Attributes:
        delimiter: The one ASCII character between cells.
        quote: The one ASCII character around cells, or empty for none.
        escape: A quote inside a quoted cell stands after a backslash.
        spaced: Every delimiter is followed by one space that is no part of the cell.
        line_end: `\\n` (also for `\\r\\n`) or `\\r`.
    """

    delimiter: str = ","
    quote: str = '"'
    spaced: bool = False
    escape: bool = False
    line_end: str = "\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line is no row, and how it might be meant."""

    code: str
    reason: str
    suggestion: str | None = None


def split_line(text: str, dialect: Dialect) -> list[str] | Fault:
    """Return the cells of one record, or the fault in its quoting.

    A quote inside a cell that does not start with one is an ordinary character
    (`5" pipe`). A quoted cell may hold line ends.
    """
    cells: list[str] = []
    position = 0
    while True:
        if dialect.spaced and cells and text.startswith(" ", position):
            position += 1
        if dialect.quote and text.startswith(dialect.quote, position):
            found = _quoted_cell(text, position, dialect)
            if isinstance(found, Fault):
                return found
            cell, position = found
        else:
            stop = text.find(dialect.delimiter, position)
            stop = len(text) if stop < 0 else stop
            cell, position = text[position:stop], stop
        cells.append(cell)
        if position >= len(text):
            return cells
        position += 1


def _quoted_cell(text: str, start: int, dialect: Dialect) -> tuple[str, int] | Fault:
    quote = dialect.quote
    position = start + 1
    while True:
        stop = text.find(quote, position)
        if stop < 0:
            return Fault(
                "unclosed_quote",
                "A quote is opened and not closed on its line.",
                text[:start] + text[start + 1 :],
            )
        if dialect.escape and _is_escaped(text, stop):
            position = stop + 1
            continue
        following = text[stop + 1 : stop + 2]
        if following in ("", dialect.delimiter):
            cell = text[start + 1 : stop].replace(quote * 2, quote)
            if dialect.escape:
                cell = cell.replace("\\" + quote, quote)
            return cell, stop + 1
        if following != quote:
            return Fault(
                "stray_quote",
                "A quote stands inside a quoted cell without being doubled.",
                _double_stray_quotes(text, dialect),
            )
        position = stop + 2


def _is_escaped(text: str, at: int) -> bool:
    """Whether one backslash, itself not escaped, stands before."""
    return text[at - 1] == "\\" and text[at - 2 : at - 1] != "\\"


def _double_stray_quotes(text: str, dialect: Dialect) -> str | None:
    """Suggest the line with its inner quotes doubled, where that reads one way."""
    quote = dialect.quote
    between = quote + dialect.delimiter + quote
    if not (text.startswith(quote) and text.endswith(quote)):
        return None
    cells = text[1:-1].split(between)
    return between.join(
        cell.replace(quote * 2, quote).replace(quote, quote * 2) for cell in cells
    ).join((quote, quote))


def join_cells(cells: list[str], dialect: Dialect) -> bytes:
    """Write cells so that the fast reader gives back exactly these."""
    quote = dialect.quote
    pad = " " if dialect.spaced else ""
    written = [
        quote + (pad if index else "") + cell.replace(quote, quote * 2) + quote
        for index, cell in enumerate(cells)
    ]
    return (dialect.delimiter.join(written) + dialect.line_end).encode()
