"""Read one damaged line of delimited text by itself.

The fast reader takes well-formed records only. A line that is not well formed
comes here and is judged alone, so that a stray or unclosed quote costs its own line
and never the rows after it.
"""

from dataclasses import dataclass, replace

_MOST_OPENINGS = 64
_FEWEST_WORDS = 4  # a title has two or three words as well


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


_OTHER_DELIMITERS = (",", ";", "\t", "|", " ")


def mended(text: str, dialect: Dialect, width: int) -> list[str]:
    """Return the cells that a damaged record most likely means.

    A quote closes a cell only before a delimiter, and one opening quote may be an
    ordinary character; or the record has another delimiter than the table. The first
    reading of `width` cells is taken; without one, the most literal.
    """
    cells, openings = _loosely_split(text, dialect, None)
    if len(cells) == width:
        return cells
    for literal in openings[:_MOST_OPENINGS]:
        found, _ = _loosely_split(text, dialect, literal)
        if len(found) == width:
            return found
    for delimiter in _OTHER_DELIMITERS:
        is_words = delimiter == " " and width < _FEWEST_WORDS
        if delimiter != dialect.delimiter and delimiter in text and not is_words:
            other = replace(dialect, delimiter=delimiter, spaced=False)
            found, _ = _loosely_split(text, other, None)
            if len(found) == width > 1:
                return found
    return cells


def suggestion(text: str, dialect: Dialect, width: int) -> str | None:
    """Return a damaged record written well, where it has a reading of `width` cells."""
    cells = mended(text, dialect, width)
    if len(cells) != width or width < 2:
        return None
    odd = (dialect.quote, dialect.delimiter, "\r", "\n")
    written = []
    for cell in cells:
        is_odd = bool(dialect.quote) and any(mark in cell for mark in odd)
        doubled = cell.replace(dialect.quote, dialect.quote * 2) if is_odd else cell
        written.append(dialect.quote + doubled + dialect.quote if is_odd else cell)
    return (dialect.delimiter + " " * dialect.spaced).join(written)


def _loosely_split(
    text: str, dialect: Dialect, literal: int | None
) -> tuple[list[str], list[int]]:
    """Return cells, and where their quotes open; the one at `literal` does not."""
    cells: list[str] = []
    openings: list[int] = []
    quote, delimiter, position = dialect.quote, dialect.delimiter, 0
    while True:
        if dialect.spaced and cells and text.startswith(" ", position):
            position += 1
        stop = -1
        if quote and text.startswith(quote, position) and position != literal:
            stop = _loose_end(text, position + 1, dialect)
        if stop >= 0:
            openings.append(position)
            cells.append(text[position + 1 : stop].replace(quote * 2, quote))
            position = stop + 1
        else:
            stop = text.find(delimiter, position)
            stop = len(text) if stop < 0 else stop
            cells.append(text[position:stop])
            position = stop
        if position >= len(text):
            return cells, openings
        position += 1


def _loose_end(text: str, start: int, dialect: Dialect) -> int:
    """Where the quote stands that closes a cell; -1 if none does."""
    stop = text.find(dialect.quote, start)
    while stop >= 0:
        if text[stop + 1 : stop + 2] in ("", dialect.delimiter):
            return stop
        following = stop + 2 if text.startswith(dialect.quote, stop + 1) else stop + 1
        stop = text.find(dialect.quote, following)
    return -1


def join_cells(cells: list[str], dialect: Dialect) -> bytes:
    """Write cells so that the fast reader gives back exactly these."""
    quote = dialect.quote
    pad = " " if dialect.spaced else ""
    written = [
        quote + (pad if index else "") + cell.replace(quote, quote * 2) + quote
        for index, cell in enumerate(cells)
    ]
    return (dialect.delimiter.join(written) + dialect.line_end).encode()
