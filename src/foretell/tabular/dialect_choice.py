"""Choose how the cells of a sampled table are written: delimiter, quote, escapes.

A candidate scores by how many records have the same width and how many of its cells
look like numbers, dates or booleans. The caller's options override each guess.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from foretell.tabular.cell_patterns import cell_class
from foretell.tabular.errors import BadOption
from foretell.tabular.lenient import Dialect
from foretell.tabular.messages import ImportOptions
from foretell.tabular.samples import Sample, SampleRow, sample_rows

_USUAL = (",", ";", "\t", "|")
_UNUSUAL = (":", "^", "~", "\x1f", "\x01", " ")
_COMMON_IN_TEXT = (" ", ":")
_NO_DELIMITER = "\x1f"
_GOOD_ENOUGH = 0.5
_JUDGED_ROWS = 200
_JUDGED_CELLS = 100_000
_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_LONGEST_TITLE = 10  # rows


def find_dialect(sample: Sample, options: ImportOptions) -> Dialect:
    """Return the delimiter, the quote and the ways to write them of a sample.

    Raises:
        BadOption: An option cannot be followed.
    """
    delimiter = _one_character(options.delimiter, "delimiter")
    quote = _one_character(options.quote, "quote")
    if delimiter and delimiter == quote:
        raise BadOption("The delimiter and the quote are the same character.")
    quotes = [quote] if quote is not None else ['"', "'"]
    base = Dialect(line_end=sample.line_end)
    if delimiter:
        found = _best(sample, [delimiter], quotes, base)[0]
    else:
        found, score = _best(sample, _USUAL, quotes, base)
        if score < _GOOD_ENOUGH:
            other, other_score = _best(sample, _UNUSUAL, quotes, base)
            if other_score >= _GOOD_ENOUGH and other_score > score:
                found, score = other, other_score
        if score == 0 or (score < _GOOD_ENOUGH and _is_headed_by_one(sample, found)):
            single = "," if b"," not in sample.head else _NO_DELIMITER
            found = replace(base, delimiter=single, quote=quotes[0])
    return _with_escapes(sample, _with_spaces(sample, found))


def _one_character(value: str | None, option: str) -> str | None:
    if value is None:
        return None
    if value == "" and option == "quote":
        return ""
    value = _NAMES.get(value, value)
    if len(value) != 1 or not value.isascii() or value in "\r\n\x00":
        raise BadOption(f"The option {option} must be one ASCII character.")
    return value


def _best(
    sample: Sample, delimiters: Sequence[str], quotes: Sequence[str], base: Dialect
) -> tuple[Dialect, float]:
    """Return the best candidate; earlier ones win ties."""
    found, best = replace(base, delimiter=delimiters[0], quote=quotes[0]), 0.0
    if len(quotes) > 1:
        is_apostrophe = _is_used_as_quote(sample.head, delimiters, base)
        quotes = ["'", *quotes] if is_apostrophe else ['"']
    for quote in quotes:
        for delimiter in delimiters:
            if delimiter.encode() not in sample.head:
                continue
            candidate = replace(base, delimiter=delimiter, quote=quote)
            score = _score(sample, candidate)
            if score > best + 1e-9:
                found, best = candidate, score
    return found, best


def _is_headed_by_one(sample: Sample, dialect: Dialect) -> bool:
    """The first row is one cell: a column of texts that hold the delimiter at times."""
    first = sample_rows(sample.head, dialect, most=1)
    return bool(first) and first[0].width == 1


def _is_used_as_quote(head: bytes, delimiters: Sequence[str], base: Dialect) -> bool:
    """Apostrophes are quotes only where they often stand on both sides of a cell."""
    edges = {ord(delimiter) for delimiter in delimiters} | {10, 13}
    opens, closes = _at_edges(head, b"'", edges)
    if any(_at_edges(head, b'"', edges)):
        return False
    return opens >= 2 and abs(opens - closes) <= 0.1 * max(opens, closes)


def _at_edges(head: bytes, mark: bytes, edges: set[int]) -> tuple[int, int]:
    """How often a mark stands at the start, and at the end, of a cell."""
    opens = closes = 0
    at = head.find(mark)
    while at >= 0:
        opens += at == 0 or head[at - 1] in edges
        closes += at + 1 == len(head) or head[at + 1] in edges
        at = head.find(mark, at + 1)
    return opens, closes


def _score(sample: Sample, dialect: Dialect) -> float:
    """Width consistency × share of typed cells; 0 for a table of one column."""
    rows = sample_rows(sample.head, dialect, most=_JUDGED_ROWS)
    for piece in sample.later:
        rows += sample_rows(piece, dialect, most=_JUDGED_ROWS // 4)
    width, agreeing = usual_width(rows)
    if width < 2:
        return 0.0
    start = next(i for i, row in enumerate(rows) if row.width == width)
    has_title = 0 < start <= _LONGEST_TITLE
    consistency = agreeing / (len(rows) - start if has_title else len(rows))
    texts = (cell for row in rows if row.width == width for cell in row.cells or ())
    cells = [cell_class(cell) for cell in islice(texts, _JUDGED_CELLS)]
    typed = sum(kind in ("number", "date", "boolean") for kind in cells)
    filled = sum(kind != "empty" for kind in cells)
    if dialect.delimiter in _COMMON_IN_TEXT:
        is_table = start == 0 and consistency > 0.95 and typed > 0.3 * filled
        if not is_table:
            return 0.0
    return consistency * (0.9 if start else 1.0) * (0.7 + 0.3 * typed / max(filled, 1))


def usual_width(rows: Sequence[SampleRow]) -> tuple[int, int]:
    """Return the most common width and how many rows have it; wider wins ties."""
    counts = Counter(row.width for row in rows if row.cells is not None)
    if not counts:
        return 1, 0
    width = max(counts, key=lambda width: (counts[width], width))
    return width, counts[width]


def _with_spaces(sample: Sample, dialect: Dialect) -> Dialect:
    """Take the space after each delimiter for a part of the delimiter."""
    if dialect.delimiter in (" ", _NO_DELIMITER):
        return dialect
    mark = dialect.delimiter.encode()
    total, spaced = sample.head.count(mark), sample.head.count(mark + b" ")
    if total < 2 or spaced < 0.95 * total:
        return dialect
    candidate = replace(dialect, spaced=True)
    rows = sample_rows(sample.head, candidate, most=_JUDGED_ROWS)
    width, agreeing = usual_width(rows)
    return candidate if width > 1 and agreeing >= 0.8 * len(rows) else dialect


def _with_escapes(sample: Sample, dialect: Dialect) -> Dialect:
    """Take `\\"` for a quote inside a cell where that heals damaged rows."""
    if not dialect.quote or f"\\{dialect.quote}".encode() not in sample.head:
        return dialect
    candidate = replace(dialect, escape=True)
    is_better = _damaged(sample, candidate) < _damaged(sample, dialect)
    return candidate if is_better else dialect


def _damaged(sample: Sample, dialect: Dialect) -> int:
    rows = sample_rows(sample.head, dialect, most=_JUDGED_ROWS)
    width, _ = usual_width(rows)
    return sum(1 for row in rows if row.cells is None or row.width != width)
