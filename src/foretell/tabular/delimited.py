"""Read a file of delimited text into Parquet parts and rejects.

The way of the bytes: what kind of file → UTF-8 → how the table is written → records
cut and judged (`records`) → cells as text (`fast_reader`) → types (`column_typer`) →
parts and rejects. Blocks of some MiB go through one after the other, so memory does
not grow with the file. Runs in a sandboxed child.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import msgspec
import polars as pl

from foretell.tabular.column_typer import ColumnTyper, TypedBlock
from foretell.tabular.fast_reader import read_block
from foretell.tabular.layout import Layout, find_layout
from foretell.tabular.lenient import mended
from foretell.tabular.messages import (
    ImportOptions,
    ImportRequest,
    ImportResult,
    Progress,
    SourceDescription,
)
from foretell.tabular.records import Block, RecordReader
from foretell.tabular.rejects import Reject
from foretell.tabular.samples import take_sample
from foretell.tabular.source_text import SourceText, open_source
from foretell.tabular.version_output import VersionOutput

Report = Callable[[Progress], None]
_SEPARATOR_LINE = re.compile(rb'"?sep=([\x01-\x7f])"?(?:\r\n|\r|\n)')


def import_delimited(
    request: ImportRequest, text: SourceText, report: Report
) -> ImportResult:
    """Read one file of delimited text.

    Raises:
        Invalid: It is empty, or cannot be read with the options given.
        TooLarge: It has too many columns.
    """
    return _Import(request, text, report).run()


def import_texts(request: ImportRequest, *, with_rejects: bool) -> Iterator[list[str]]:
    """Yield the header, if there is one, and the records, cells as they are written.

    The structure of the table and no types: what benchmarks of structure compare.

    Args:
        with_rejects: Give the records kept aside too, as they are likely meant; but
            not those after the last row, which are no part of this table.
    """
    with open_source(request, lambda progress: None) as text:
        run = _Import(request, text, lambda progress: None)
        if run.has_header:
            yield run.names
        yield from run.texts(with_rejects=with_rejects)


class _Import:
    """One run over one UTF-8 file: one pass, or two where a guess failed."""

    def __init__(
        self, request: ImportRequest, text: SourceText, report: Report
    ) -> None:
        self._request = request
        self._text = text
        self._report = report
        self._size = text.path.stat().st_size
        options = _with_separator_line(text, request.options)
        sample = take_sample(text.path, start=text.start, skip=options.skip)
        self._layout: Layout = find_layout(sample, options, request.limits.columns)
        self._layout.shape.may_be_damaged = text.may_be_damaged
        self._typer = ColumnTyper(
            self._layout.names,
            options,
            [] if request.max_rows is not None else self._layout.rows,
            self._layout.dialect.delimiter,
        )

    @property
    def has_header(self) -> bool:
        return self._layout.header is not False

    @property
    def names(self) -> list[str]:
        return self._layout.names

    def texts(self, *, with_rejects: bool) -> Iterator[list[str]]:
        layout = self._layout
        width, kept = layout.shape.width, layout.shape.kept
        aside: list[Reject] = []
        with self._text.path.open("rb") as stream:
            for block in self._blocks(stream):
                frame = read_block(block, layout.dialect, width)
                for row in frame.rows():
                    yield [cell or "" for cell in row[:kept]]
                aside += block.rejects if with_rejects else []
                last = int(block.ordinals[-1]) if block.rows else 0
                while aside and aside[0].record < last:
                    yield mended(aside.pop(0).raw, layout.dialect, width)

    def run(self) -> ImportResult:
        result = self._pass("reading")
        if result is None:
            self._typer.restart()
            result = self._pass("reading again with the types found")
        if result is None:
            raise RuntimeError("types proven by the whole file did not hold")
        return result

    def _pass(self, stage: str) -> ImportResult | None:
        """Read the file once; None if a guessed type did not hold."""
        with (
            self._text.path.open("rb") as stream,
            closing(ahead(self._blocks(stream))) as blocks,
        ):
            return self._read(blocks, stage)

    def _read(self, blocks: Iterable[Block], stage: str) -> ImportResult | None:
        records = 0
        with VersionOutput(self._request) as output:
            for block in blocks:
                records += block.records
                frame = self._type(block, output)
                if frame is not None and self._typer.holds:
                    output.add(frame)
                self._report(
                    Progress(
                        stage=stage,
                        done=block.end,
                        total=self._size,
                        rows=output.rows,
                        rejects=output.rejects,
                        columns=len(self._layout.names),
                    )
                )
            if not self._typer.holds:
                return None
            return output.finish(
                self._typer.columns(), self._typer.schema, records, self._describe()
            )

    def _blocks(self, stream: BinaryIO) -> RecordReader:
        stream.seek(self._layout.data_offset)
        return RecordReader(
            stream,
            self._layout.dialect,
            self._layout.shape,
            self._request.limits,
            first_line=self._layout.data_line,
            max_records=self._request.max_rows,
            record_bytes=self._layout.record_bytes,
        )

    def _type(self, block: Block, output: VersionOutput) -> pl.DataFrame | None:
        layout = self._layout
        text = read_block(block, layout.dialect, layout.shape.width)
        found = list(block.rejects)
        index = pl.int_range(text.height, dtype=pl.Int64, eager=True)
        if layout.shape.width > layout.shape.kept:
            text, index = self._drop_last_cell(block, text, index, found)
        typed = self._typer.take(text)
        found += _cell_rejects(block, index, typed)
        found.sort(key=lambda reject: reject.record)
        if self._typer.holds:
            output.reject(found)
        return typed.frame

    def _drop_last_cell(
        self,
        block: Block,
        text: pl.DataFrame,
        index: pl.Series,
        found: list[Reject],
    ) -> tuple[pl.DataFrame, pl.Series]:
        """Leave out the empty cell after each row's last delimiter."""
        kept = self._layout.shape.kept
        last = pl.last().str.strip_chars()
        is_filled = text.select((last != "").fill_null(value=False)).to_series()
        for row in is_filled.arg_true().to_list():
            found.append(
                Reject(
                    line=int(block.lines[row]),
                    record=int(block.ordinals[row]),
                    code="too_many_cells",
                    reason=f"The row has {kept + 1} cells; the table has {kept}.",
                    raw=block.raw(row),
                )
            )
        text = text.drop(text.columns[-1])
        return text.filter(~is_filled), index.filter(~is_filled)

    def _describe(self) -> SourceDescription:
        layout = self._layout
        return SourceDescription(
            filename=self._request.filename,
            bytes=Path(self._request.source).stat().st_size,
            format="csv",
            encoding=self._text.encoding.name,
            delimiter=layout.dialect.delimiter,
            quote=layout.dialect.quote,
            header=layout.header,
            compression=None,
            findings=[*layout.findings, *self._typer.findings()],
        )


def _with_separator_line(text: SourceText, options: ImportOptions) -> ImportOptions:
    """Follow the line `sep=;` that spreadsheets write above a table."""
    with text.path.open("rb") as stream:
        stream.seek(text.start)
        found = _SEPARATOR_LINE.match(stream.read(16))
    if found is None or options.skip:
        return options
    delimiter = options.delimiter or found[1].decode()
    return msgspec.structs.replace(options, delimiter=delimiter, skip=1)


def ahead(blocks: Iterable[Block]) -> Generator[Block, None, None]:
    """Yield blocks while the next one is cut in a thread: numpy and polars overlap."""
    source = iter(blocks)
    with ThreadPoolExecutor(1, thread_name_prefix="records") as thread:
        coming = thread.submit(next, source, None)
        while (block := coming.result()) is not None:
            coming = thread.submit(next, source, None)
            yield block


def _cell_rejects(block: Block, index: pl.Series, typed: TypedBlock) -> list[Reject]:
    """Return the rows whose cells do not fit the types they were forced to."""
    found: list[Reject] = []
    for row, errors, suggestion in zip(
        typed.bad_rows, typed.errors, typed.suggestions, strict=True
    ):
        at = int(index[row])
        found.append(
            Reject(
                line=int(block.lines[at]),
                record=int(block.ordinals[at]),
                column=errors[0].column,
                code=errors[0].code,
                reason=errors[0].reason,
                raw=block.raw(at),
                suggestion=suggestion,
                errors=errors,
            )
        )
    return found
