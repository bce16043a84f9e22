"""Read a Parquet file, a few thousand rows at a time."""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from foretell.tabular.columnar import ColumnarImport, reading
from foretell.tabular.messages import ImportRequest, ImportResult, Progress

PARQUET = "a Parquet file"
_BUFFER = 1 << 20
_METADATA_BYTES = 64 << 20


def import_parquet(
    request: ImportRequest, report: Callable[[Progress], None]
) -> ImportResult:
    """Read one Parquet file.

    Raises:
        DamagedFile: It cannot be read.
        ColumnUnsupported: A column is of a type that cannot be stored.
        InflatedTooLarge, TooManyColumns: It holds too much.
    """
    with reading(PARQUET):
        file = pq.ParquetFile(
            request.source,
            buffer_size=_BUFFER,
            pre_buffer=False,
            thrift_string_size_limit=_METADATA_BYTES,
            thrift_container_size_limit=_METADATA_BYTES,
        )
    with file:
        return ColumnarImport(request, _ParquetRows(file), report).run()


class _ParquetRows:
    """The rows of an open file."""

    format = "parquet"

    def __init__(self, file: pq.ParquetFile) -> None:
        self._file = file
        with reading(PARQUET):
            self.schema: pa.Schema = file.schema_arrow
        self.rows: int = file.metadata.num_rows

    def batches(
        self, rows: int, columns: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        with reading(PARQUET):
            yield from self._file.iter_batches(rows, columns=columns, use_threads=False)
