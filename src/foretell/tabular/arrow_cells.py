"""Record batches as series of their stored types, with what cannot be one kept apart.

Arrow believes what a file says: a text column may hold bytes that are not UTF-8, and
a cast may cut digits. Both are looked for here, because nothing after it would see.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from foretell.tabular.errors import DamagedFile
from foretell.tabular.messages import Finding
from foretell.tabular.rejects import Reject

_RAW_BYTES = 1 << 20


@dataclass(slots=True)
class Batch:
    """Rows of stored types.

    Attributes:
        columns: One series for each column, of the good rows.
        kept: Which rows of the record batch those are.
        bytes: Size of the whole record batch.
        bad: The others, with the column that holds bytes that are no text.
    """

    columns: list[pl.Series]
    kept: Sequence[int]
    bytes: int
    bad: list[tuple[int, str, str]] = field(default_factory=list)

    def rejects(self, first: int) -> list[Reject]:
        """The bad rows as rejects, the first row of the batch being number `first`."""
        return [
            Reject(
                line=first + row,
                record=first + row,
                column=column,
                code="bad_encoding",
                reason="The cell holds bytes that are not UTF-8.",
                raw=raw,
            )
            for row, column, raw in self.bad
        ]


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with dictionaries written out; columns are named by place."""
    plain = [
        array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
        for array in batch.columns
    ]
    return pa.RecordBatch.from_arrays(plain, [str(n) for n in range(len(plain))])


class CellReader:
    """Makes series of stored types of record batches.

    Args:
        types: The stored type of each column.
        nulls: Texts that mean "no value".
        schema: The types in the file.

    Attributes:
        dtypes: The polars type of each column.
        unsigned: Places of the columns of unsigned 64-bit integers.
    """

    def __init__(
        self,
        names: list[str],
        types: list[pa.DataType],
        nulls: list[str],
        schema: pa.Schema,
    ) -> None:
        self._names = names
        self._types = types
        self._nulls = nulls
        self._cut: set[str] = set()
        self.unsigned = [
            place
            for place, field in enumerate(schema)
            if pa.types.is_uint64(field.type)
        ]
        self.dtypes: list[pl.DataType] = [_dtype(type_) for type_ in types]

    def settle(self, batches: Iterator[pa.RecordBatch]) -> None:
        """Store unsigned columns as plain integers where all their values are such.

        Args:
            batches: The unsigned columns of all rows, in order.
        """
        fits = dict.fromkeys(self.unsigned, True)
        for batch in batches:
            for place, array in zip(self.unsigned, batch.columns, strict=True):
                most = pc.max(array).as_py()
                fits[place] &= most is None or most < 2**63
        for place in (place for place, fitting in fits.items() if fitting):
            self._types[place] = pa.int64()
            self.dtypes[place] = pl.Int64()

    def read(self, batch: pa.RecordBatch) -> Batch:
        """Return the batch as series.

        Raises:
            DamagedFile: A value lies outside of its type.
        """
        plain = plain_batch(batch)
        size = plain.nbytes
        plain, kept, bad = self._without_bad_text(plain)
        columns = [
            self._stored(name, array, type_)
            for name, array, type_ in zip(
                self._names, plain.columns, self._types, strict=True
            )
        ]
        return Batch(columns, kept, size, bad)

    def _without_bad_text(
        self, batch: pa.RecordBatch
    ) -> tuple[pa.RecordBatch, Sequence[int], list[tuple[int, str, str]]]:
        """Take out the rows that hold bytes for a text."""
        everything = range(batch.num_rows)
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as error:
            bad = self._bad_texts(batch)
            if not bad:
                raise DamagedFile(
                    "a Parquet file", "its values are damaged."
                ) from error
        else:
            return batch, everything, []
        rows = {row for row, _, _ in bad}
        kept = [row for row in everything if row not in rows]
        return batch.take(pa.array(kept, pa.int64())), kept, bad

    def _bad_texts(self, batch: pa.RecordBatch) -> list[tuple[int, str, str]]:
        """Rows with bytes that are not UTF-8 in a text column, the first column only."""
        found: dict[int, tuple[str, str]] = {}
        for name, array in zip(self._names, batch.columns, strict=True):
            if not (
                pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
            ):
                continue
            raw = array.cast(pa.large_binary())
            for row, cell in enumerate(raw.to_pylist()):
                if cell is not None and row not in found and not _is_text(cell):
                    shown = cell[:_RAW_BYTES].decode("utf-8", "replace")
                    found[row] = (name, shown)
        return [(row, *found[row]) for row in sorted(found)]

    def _stored(self, name: str, array: pa.Array, type_: pa.DataType) -> pl.Series:
        self._note_cut(name, array)
        try:
            cast = _cast(array, type_)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DamagedFile(
                "a Parquet file", f"column {name!r} holds a value outside of its type."
            ) from error
        found: pl.Series = pl.from_arrow(cast)  # type: ignore[assignment]
        if self._nulls and isinstance(found.dtype, pl.String):
            frame, cell = found.alias("c").to_frame(), pl.col("c")
            found = frame.select(pl.when(~cell.is_in(self._nulls)).then(cell))["c"]
        return found

    def _note_cut(self, name: str, array: pa.Array) -> None:
        """Notice nanoseconds that a timestamp of microseconds cannot hold."""
        type_ = array.type
        is_moment = pa.types.is_timestamp(type_) or pa.types.is_duration(type_)
        if name in self._cut or not is_moment or type_.unit != "ns":
            return
        ticks = pl.from_arrow(array.view(pa.int64()))
        if bool((ticks % 1000 != 0).any()):  # type: ignore[union-attr]
            self._cut.add(name)

    def findings(self) -> list[Finding]:
        """What a person should know about the cells."""
        return [
            Finding(
                code="nanoseconds_cut",
                column=name,
                message="The nanoseconds were cut; times are kept to the microsecond.",
            )
            for name in self._names
            if name in self._cut
        ]


def _is_text(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True


def _dtype(type_: pa.DataType) -> pl.DataType:
    empty = pl.from_arrow(pa.array([], type_))
    return empty.dtype  # type: ignore[union-attr]


def _cast(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Cast to the stored type; only nanoseconds may be cut."""
    if isinstance(array.type, pa.UuidType):
        texts = [None if cell is None else str(cell) for cell in array.to_pylist()]
        return pa.array(texts, pa.large_string())
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    return pc.cast(array, options=pc.CastOptions(type_, allow_time_truncate=True))
