"""A whole version as a stream of bytes, in bounded memory."""

from collections.abc import Iterator, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from foretell.errors import Invalid
from foretell.tabular.row_bytes import arrow_table, csv_rows, ndjson_rows
from foretell.tabular.sinks import Sink
from foretell.tabular.spreadsheets import workbook
from foretell.tabular.stored import Parts, batches, checked_columns

DOWNLOAD_FORMATS = ("csv", "xlsx", "ndjson", "parquet", "arrow")


def download(
    parts: Parts,
    form: str,
    *,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
) -> Iterator[bytes]:
    """Yield the version's rows as chunks of a file.

    Args:
        form: `csv` or `xlsx` (both formula-safe), `ndjson`, `parquet` or `arrow` (IPC
            stream).
        columns: Names in the wanted order; all by default.
        where: Boolean expression over the version's columns.

    Raises:
        Invalid: The format or a column is unknown (raised before the first chunk).
    """
    if form not in DOWNLOAD_FORMATS:
        known = ", ".join(DOWNLOAD_FORMATS)
        raise Invalid(f"There is no download format {form[:20]!r}; there are {known}.")
    names = checked_columns(parts, columns)
    frames = batches(parts, names, where)
    if form == "csv":
        return _csv(frames)
    if form == "xlsx":
        return workbook(frames)
    if form == "ndjson":
        return (chunk for frame in frames if (chunk := ndjson_rows(frame)))
    return _arrow(frames) if form == "arrow" else _parquet(frames)


def _csv(frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    is_first = True
    for frame in frames:
        if is_first or frame.height:
            yield csv_rows(frame, header=is_first)
        is_first = False


def _arrow(frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    sink = Sink()
    writer = None
    for frame in frames:
        table = arrow_table(frame)
        if writer is None:
            writer = pa.ipc.new_stream(sink, table.schema)
        if table.num_rows:
            writer.write_table(table)
        if chunk := sink.take():
            yield chunk
    if writer is not None:
        writer.close()
    yield sink.take()


def _parquet(frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    sink = Sink()
    writer = None
    for frame in frames:
        table = arrow_table(frame)
        if writer is None:
            writer = pq.ParquetWriter(sink, table.schema, compression="zstd")
        if table.num_rows:
            writer.write_table(table)
        if chunk := sink.take():
            yield chunk
    if writer is not None:
        writer.close()
    yield sink.take()
