"""Read well-formed delimited text with polars, every cell as text."""

import csv
import io

import polars as pl

from foretell.tabular.lenient import Dialect
from foretell.tabular.records import Block


def read_block(block: Block, dialect: Dialect, width: int) -> pl.DataFrame:
    """Return the block's rows as text columns `0`, `1`, … in order.

    The structure was decided before; if polars ever disagrees about it, the standard
    library reads the block instead, and slower, so that no row is lost or shifted.
    """
    names = [str(index) for index in range(width)]
    if not block.rows:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    try:
        frame = pl.read_csv(
            block.text,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            separator=dialect.delimiter,
            quote_char=dialect.quote or None,
            eol_char=dialect.line_end,
        )
    except pl.exceptions.PolarsError:
        frame = None
    if frame is None or frame.shape != (block.rows, width):
        frame = _read_slowly(block, dialect, names)
    if dialect.spaced:
        later = pl.col(names[1:])
        frame = frame.with_columns(later.str.strip_prefix(" "))
    return frame


def _read_slowly(block: Block, dialect: Dialect, names: list[str]) -> pl.DataFrame:
    text = block.text.decode()
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )
    return pl.DataFrame(
        [row for row in rows if row],
        schema=dict.fromkeys(names, pl.String),
        orient="row",
    )
