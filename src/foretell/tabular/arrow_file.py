"""Read an Arrow IPC file or stream (also Feather 2), one batch after the other.

The format is a picture of memory: whoever wrote it chose every offset. So each batch
is validated as a whole before a cell of it is looked at, and the buffers of one that
is not packed stay in the mapped file.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from foretell.tabular.columnar import ColumnarImport, reading
from foretell.tabular.errors import DamagedFile
from foretell.tabular.messages import ImportRequest, ImportResult, Progress

ARROW = "an Arrow file"
_FILE_MAGIC = b"ARROW1"
_MOST_BATCH_ROWS = 1 << 31


def import_arrow(
    request: ImportRequest, report: Callable[[Progress], None]
) -> ImportResult:
    """Read one Arrow IPC file or stream.

    Raises:
        DamagedFile: It cannot be read.
        ColumnUnsupported: A column is of a type that cannot be stored.
        InflatedTooLarge, TooManyColumns: It holds too much.
    """
    return ColumnarImport(request, _ArrowRows(Path(request.source)), report).run()


class _ArrowRows:
    """The rows of a file, opened anew for each pass."""

    format = "arrow"
    rows = 0

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as stream:
            self._is_file = stream.read(len(_FILE_MAGIC)) == _FILE_MAGIC
        with reading(ARROW), pa.memory_map(str(path)) as mapped:
            self.schema: pa.Schema = self._opened(mapped).schema

    def _opened(
        self, mapped: pa.MemoryMappedFile
    ) -> pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader:
        options = pa.ipc.IpcReadOptions(use_threads=False)
        if self._is_file:
            return pa.ipc.open_file(mapped, options=options)
        return pa.ipc.open_stream(mapped, options=options)

    def batches(
        self, rows: int, columns: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        with reading(ARROW), pa.memory_map(str(self._path)) as mapped:
            for batch in self._whole(self._opened(mapped)):
                if batch.num_rows > _MOST_BATCH_ROWS:
                    raise DamagedFile(ARROW, "a batch has more rows than are written.")
                batch.validate(full=True)
                chosen = batch if columns is None else batch.select(columns)
                for start in range(0, chosen.num_rows, rows):
                    yield chosen.slice(start, rows)

    def _whole(
        self, reader: pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader
    ) -> Iterator[pa.RecordBatch]:
        if not self._is_file:
            yield from reader
            return
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)
