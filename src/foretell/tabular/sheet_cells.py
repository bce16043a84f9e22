"""Cells as the XML of an Excel sheet, a whole column at a time.

Numbers keep what a workbook can keep: whole numbers and decimals of more than 15 digits
are written as text, because Excel would round them. A text is never a formula: it is
stored as a string, and one that looks like a formula also carries the mark that Excel
gives a cell typed with a leading apostrophe.
"""

import polars as pl

from foretell.tabular.row_bytes import FORMULA, csv_ready
from foretell.tabular.stored import exactly

DATE, TIMESTAMP, TIME, MARKED = 1, 2, 3, 4
"""Numbers of the cell styles that `spreadsheets` writes."""

MAX_TEXT = 32_767
_DIGITS = 15
_EPOCH_DAYS = 25_569  # from 1899-12-30, where Excel counts from, to 1970-01-01
_DAY_MICROS = 86_400_000_000
_FIRST_DAY = -25_508  # 1900-03-01; Excel believes in a 29 February before it
_EMPTY = "<c/>"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\ufffe": "", "\uffff": ""} | {
    chr(code): f"_x{code:04X}_" for code in range(32) if chr(code) not in "\t\n"
}
# A text that happens to look like such an escape must not become one.
_LOOKS_ESCAPED = r"_(x[0-9A-Fa-f]{4}_)"


def sheet_rows(frame: pl.DataFrame) -> str:
    """Return rows as XML elements, one after another."""
    if not frame.height:
        return ""
    cells = [_cell(name, dtype) for name, dtype in frame.schema.items()]
    row = pl.concat_str([pl.lit("<row>"), *cells, pl.lit("</row>")])
    return str(frame.select(row.str.join("").alias("rows")).item())


def header_row(names: list[str]) -> str:
    """Return the row of column names."""
    texts = pl.DataFrame({str(place): [name] for place, name in enumerate(names)})
    return sheet_rows(texts) if names else ""


def _cell(name: str, dtype: pl.DataType) -> pl.Expr:
    cell = exactly(name)
    return _filled(name, cell, dtype).fill_null(_EMPTY).alias(name)


def _filled(name: str, cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Boolean):
        return _wrapped(cell.cast(pl.Int8).cast(pl.String), ' t="b"')
    if dtype.is_float():
        return pl.when(cell.is_finite()).then(_wrapped(cell.cast(pl.String)))
    if dtype.is_integer() or dtype.is_decimal():
        text = cell.cast(pl.String)
        digits = text.str.replace_all("[^0-9]", "").str.len_chars()
        return pl.when(digits <= _DIGITS).then(_wrapped(text)).otherwise(_text(text))
    if isinstance(dtype, pl.Date):
        days = cell.to_physical().cast(pl.Int64)
        serial = _wrapped((days + _EPOCH_DAYS).cast(pl.String), f' s="{DATE}"')
        return _reached(days, serial, cell.dt.strftime("%Y-%m-%d"))
    if isinstance(dtype, pl.Datetime):
        return _timestamp(cell, dtype)
    if isinstance(dtype, pl.Time):
        share = cell.to_physical() / (_DAY_MICROS * 1000)
        return _wrapped(share.cast(pl.String), f' s="{TIME}"')
    return _text(csv_ready(name, dtype, is_marked=False))


def _timestamp(cell: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    if dtype.time_zone is not None:
        cell = cell.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    micros = cell.dt.cast_time_unit("us").to_physical()
    serial = (micros / _DAY_MICROS + _EPOCH_DAYS).cast(pl.String)
    days = micros // _DAY_MICROS
    text = cell.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    return _reached(days, _wrapped(serial, f' s="{TIMESTAMP}"'), text)


def _reached(days: pl.Expr, serial: pl.Expr, text: pl.Expr) -> pl.Expr:
    """A date as a number where Excel's calendar has it, as text before."""
    return pl.when(days >= _FIRST_DAY).then(serial).otherwise(_text(text))


def _wrapped(value: pl.Expr, attributes: str = "") -> pl.Expr:
    return pl.lit(f"<c{attributes}><v>") + value + pl.lit("</v></c>")


def _text(value: pl.Expr) -> pl.Expr:
    short = (
        pl.when(value.str.len_chars() > MAX_TEXT)
        .then(value.str.head(MAX_TEXT - 1) + "…")
        .otherwise(value)
    )
    escaped = short.str.replace_all(_LOOKS_ESCAPED, "_x005F_${1}").str.replace_many(
        _ESCAPES
    )
    style = (
        pl.when(value.str.contains(FORMULA))
        .then(pl.lit(f' s="{MARKED}"'))
        .otherwise(pl.lit(""))
    )
    return (
        pl.lit('<c t="inlineStr"')
        + style
        + pl.lit('><is><t xml:space="preserve">')
        + escaped
        + pl.lit("</t></is></c>")
    )
