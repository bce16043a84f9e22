"""Read the batches of a columnar file into the parts of a version.

Parquet and Arrow files come with types; they are kept (`parquet_types`). What their
metadata says of their size is not believed, so the bytes are counted as they are
decoded. Runs in a sandboxed child.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import polars as pl
import pyarrow as pa

from foretell.tabular.arrow_cells import Batch, CellReader, plain_batch
from foretell.tabular.errors import DamagedFile, InflatedTooLarge, TooManyColumns
from foretell.tabular.forced_columns import ForcedColumns, TypedCells
from foretell.tabular.headers import column_names, with_required
from foretell.tabular.messages import (
    ImportRequest,
    ImportResult,
    Progress,
    SourceDescription,
)
from foretell.tabular.parquet_types import row_width, stored_type
from foretell.tabular.row_bytes import ndjson_rows
from foretell.tabular.typed_rows import TypedRows, TypedTable
from foretell.tabular.version_output import VersionOutput

Report = Callable[[Progress], None]
_BATCH_BYTES = 16 << 20
_MOST_BATCH_ROWS = 65_536
_PROBE_ROWS = 64
_FEWEST_BATCH_ROWS = 64
# A column of one value takes next to nothing in such files; they are refused only
# where they would become large versions.
_FREE_INFLATION = 1 << 30


class ColumnarFile(Protocol):
    """A file of typed columns that can be read again and again.

    Attributes:
        format: What the answers call it.
        schema: Its columns.
        rows: How many rows it says it has; 0 where it does not say.
    """

    format: str
    schema: pa.Schema
    rows: int

    def batches(
        self, rows: int, columns: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield all rows, at most `rows` at a time."""
        ...


@contextmanager
def reading(kind: str) -> Iterator[None]:
    """Turn what pyarrow says of damaged bytes into a refusal."""
    try:
        yield
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error).split("\n")[0].rstrip(".")[:200]
        raise DamagedFile(kind, f"{said}.") from error


class ColumnarImport:
    """One run over one file: one pass, or two where decimals are forced."""

    def __init__(
        self, request: ImportRequest, file: ColumnarFile, report: Report
    ) -> None:
        self._request = request
        self._file = file
        self._report = report
        self._size = Path(request.source).stat().st_size
        self._rows = file.rows
        schema = file.schema
        if len(schema) > request.limits.columns:
            raise TooManyColumns(request.limits.columns)
        self._names = with_required(
            column_names(schema.names), request.options.required
        )
        types = [
            stored_type(name, field.type)
            for name, field in zip(self._names, schema, strict=True)
        ]
        self._check_size(self._rows * row_width(types))
        nulls = [text for text in request.options.nulls or () if text]
        self._cells = CellReader(self._names, types, nulls, schema)
        self._batch_rows = self._probe()
        self._forced = ForcedColumns(self._names, request.options, self._sample())

    def run(self) -> ImportResult:
        self._settle()
        dtypes = {
            place: dtype
            for place, dtype in enumerate(self._cells.dtypes)
            if place not in self._forced.places
        }
        table = TypedTable(self._names, self._forced, dtypes, self._request.limits)
        result = self._pass(table)
        if result is None:
            table.restart()
            result = self._pass(table)
        if result is None:
            raise RuntimeError("types proven by the whole file did not hold")
        return result

    def _settle(self) -> None:
        """Find out what unsigned integers are stored as, which depends on all rows."""
        unsigned = self._cells.unsigned
        schema = self._file.schema
        if unsigned and len(set(schema.names)) == len(schema):
            names = [schema.names[place] for place in unsigned]
            self._cells.settle(self._batches(names))

    def _pass(self, table: TypedTable) -> ImportResult | None:
        records = decoded = 0
        with VersionOutput(self._request) as output:
            for batch in self._batches():
                cells = self._cells.read(batch)
                # Nulls take no bytes, but rows without an end would never end.
                decoded += max(cells.bytes, 8 * batch.num_rows * len(self._names))
                self._check_size(decoded)
                table.add(self._typed(cells, records + 1), output)
                records += batch.num_rows
                self._tell(records, output)
            if not table.holds:
                return None
            return output.finish(
                table.columns(), table.schema(), records, self._describe()
            )

    def _batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        left = self._request.max_rows
        for batch in self._file.batches(self._batch_rows, columns):
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            if batch.num_rows:
                yield batch
            if left == 0:
                return

    def _probe(self) -> int:
        """How many rows to decode at once: about 16 MiB of them."""
        first = next(self._file.batches(_PROBE_ROWS), None)
        if first is None or not first.num_rows:
            return _MOST_BATCH_ROWS
        size = plain_batch(first).nbytes
        self._check_size(size)
        fitting = _BATCH_BYTES * first.num_rows // max(size, 1)
        return int(max(_FEWEST_BATCH_ROWS, min(_MOST_BATCH_ROWS, fitting)))

    def _sample(self) -> TypedCells:
        for batch in self._batches():
            return self._forced_cells(self._cells.read(batch))
        return {}

    def _forced_cells(self, batch: Batch) -> TypedCells:
        return {place: [series] for place, series in enumerate(batch.columns)}

    def _typed(self, batch: Batch, first: int) -> TypedRows:
        forced = self._forced.places
        kept = [first + row for row in batch.kept]
        return TypedRows(
            columns=[
                None if place in forced else series
                for place, series in enumerate(batch.columns)
            ],
            forced={place: [batch.columns[place]] for place in forced},
            lines=kept,
            ordinals=kept,
            raw=lambda row: self._raw(batch, row),
            rejects=batch.rejects(first),
        )

    def _raw(self, batch: Batch, row: int) -> str:
        frame = pl.DataFrame(
            [
                series[row : row + 1].alias(name)
                for name, series in zip(self._names, batch.columns, strict=True)
            ]
        )
        return ndjson_rows(frame).decode().rstrip("\n")

    def _check_size(self, decoded: int) -> None:
        """Refuse a small file that unpacks to a large table."""
        limits = self._request.limits
        if decoded > limits.inflated_bytes:
            raise InflatedTooLarge(
                f"unpacks to more than {limits.inflated_bytes} bytes"
            )
        ratio = limits.inflation_ratio
        if decoded > _FREE_INFLATION and decoded > self._size * ratio:
            raise InflatedTooLarge(
                f"unpacks to more than {ratio} times its size, and to more than 1 GiB"
            )

    def _tell(self, records: int, output: VersionOutput) -> None:
        share = min(records / max(self._rows, 1), 1.0)
        self._report(
            Progress(
                stage="reading",
                done=int(self._size * share),
                total=self._size,
                rows=output.rows,
                rejects=output.rejects,
                columns=len(self._names),
            )
        )

    def _describe(self) -> SourceDescription:
        return SourceDescription(
            filename=self._request.filename,
            bytes=self._size,
            format=self._file.format,
            findings=self._cells.findings(),
        )
