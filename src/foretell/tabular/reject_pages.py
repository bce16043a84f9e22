"""Read the rejects of a version back, a page at a time."""

from pathlib import Path

import polars as pl

from foretell.tabular.row_bytes import json_rows


def rejects_page(path: Path | str, *, start: int = 0, limit: int = 100) -> bytes:
    """Return rejects by position (from 0, in the order of their lines) as a JSON array.

    Members without a value (`column`, `suggestion`) are null; `errors` is an array.
    """
    frame = pl.scan_parquet(path).slice(start, limit).collect()
    return _with_errors(frame)


def _with_errors(frame: pl.DataFrame) -> bytes:
    """Put the stored JSON text of `errors` into the rows as JSON."""
    if frame.is_empty():
        return b"[]"
    errors = pl.List(
        pl.Struct({"column": pl.String, "code": pl.String, "reason": pl.String})
    )
    return json_rows(frame.with_columns(pl.col("errors").str.json_decode(errors)))
