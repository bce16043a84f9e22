"""Rows as the bytes of an answer: JSON, NDJSON, CSV, Arrow.

A whole column is written at a time by compiled code; no Python object is made for a
cell. Rules of the JSON: integers exact, decimals as text, numbers that are not
finite null, binary base64, timestamps without zone without `Z`, with zone in UTC
with `Z`.
"""

import io
import json

import polars as pl
import pyarrow as pa

from foretell.tabular.stored import exactly

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
FORMULA = r"^[=+\-@\t\r]"


def _json_ready(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column as what polars writes to JSON in the public form."""
    column = exactly(name)
    if dtype.is_float():
        return pl.when(column.is_finite()).then(column).alias(name)
    if dtype.is_decimal():
        return column.cast(pl.String)
    if isinstance(dtype, pl.Binary):
        return column.bin.encode("base64")
    if isinstance(dtype, pl.Datetime):
        return _timestamp_text(column, dtype)
    if isinstance(dtype, pl.Date):
        return column.dt.strftime("%Y-%m-%d")
    if isinstance(dtype, pl.Time):
        return column.dt.strftime("%H:%M:%S%.f")
    if isinstance(dtype, pl.Duration):
        return column.dt.to_string("iso")
    return column


def _timestamp_text(column: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    if dtype.time_zone is None:
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")


def json_ready(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with every cell in its public JSON form."""
    return frame.select(
        _json_ready(name, dtype) for name, dtype in frame.schema.items()
    )


def clip_texts(frame: pl.DataFrame, most: int) -> pl.DataFrame:
    """Cut texts longer than `most` characters, with an ellipsis to show it."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return frame.with_columns(
        pl.when(exactly(name).str.len_chars() > most)
        .then(exactly(name).str.head(most) + "…")
        .otherwise(exactly(name))
        .alias(name)
        for name in texts
    )


def ndjson_rows(frame: pl.DataFrame) -> bytes:
    """Return one JSON object a line; empty for no rows."""
    if not frame.height:
        return b""
    if not frame.width:
        return b"{}\n" * frame.height
    buffer = io.BytesIO()
    json_ready(frame).write_ndjson(buffer)
    return buffer.getvalue()


def json_rows(frame: pl.DataFrame) -> bytes:
    """Return one JSON array of objects."""
    lines = ndjson_rows(frame)
    # A line end inside a text is written as \n, so each one ends a row.
    return b"[" + lines[:-1].replace(b"\n", b",") + b"]"


def csv_ready(name: str, dtype: pl.DataType, *, is_marked: bool = True) -> pl.Expr:
    """Return a column as the text, or the number, of a cell.

    Args:
        is_marked: Put `'` before texts that a spreadsheet would take for formulas.
    """
    column = exactly(name)
    if isinstance(dtype, pl.String):
        if not is_marked:
            return column
        is_formula = column.str.contains(FORMULA)
        return pl.when(is_formula).then("'" + column).otherwise(column).alias(name)
    if dtype.is_float():
        return column
    if dtype.is_nested():
        return nested_text(name)
    return _json_ready(name, dtype)


def nested_text(name: str) -> pl.Expr:
    """Return a column of lists or structs as their JSON text."""
    wrapped = pl.struct(exactly(name)).struct.json_encode()
    prefix = len(f"{{{_json_name(name)}:")
    text = wrapped.str.slice(prefix).str.strip_suffix("}")
    return pl.when(exactly(name).is_not_null()).then(text).alias(name)


def _json_name(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def csv_rows(frame: pl.DataFrame, *, header: bool) -> bytes:
    """Return CSV that no spreadsheet takes for formulas: such texts start with `'`."""
    ready = frame.select(csv_ready(name, dtype) for name, dtype in frame.schema.items())
    ready.columns = [safe_text(name) for name in ready.columns]
    buffer = io.BytesIO()
    ready.write_csv(buffer, include_header=header)
    return buffer.getvalue()


def arrow_rows(frame: pl.DataFrame) -> bytes:
    """Return a whole Arrow IPC stream."""
    table = arrow_table(frame)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def arrow_table(frame: pl.DataFrame) -> pa.Table:
    """Return the frame with types that every Arrow reader knows."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
