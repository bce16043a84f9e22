"""Read a file of JSON objects into Parquet parts and rejects.

A first pass finds the columns (objects need not have the same keys) and what their
cells are; a second one writes them. A JSON number is a number and a JSON text is a
text, even where it looks like a number; only dates and times, which JSON has no way to
write, are guessed from texts by the rules for delimited text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import polars as pl

from foretell.tabular.cell_patterns import NULL_TOKENS
from foretell.tabular.column_typer import ColumnTyper, TypedBlock
from foretell.tabular.errors import EmptyFile, NotATable, TooManyColumns, TooSparse
from foretell.tabular.headers import column_names, with_required
from foretell.tabular.json_records import (
    JSON,
    JsonRecord,
    is_by_line,
    line_records,
    skip_lines,
    stream_records,
)
from foretell.tabular.json_values import (
    CellKind,
    JsonList,
    NestedTooDeeply,
    Path,
    as_json,
    cell_text,
    flattened,
    kind_of,
)
from foretell.tabular.lenient import Fault
from foretell.tabular.messages import (
    Finding,
    ImportRequest,
    ImportResult,
    Progress,
    SourceDescription,
)
from foretell.tabular.rejects import Reject
from foretell.tabular.source_text import SourceText
from foretell.tabular.type_evidence import Guess
from foretell.tabular.version_output import VersionOutput

Report = Callable[[Progress], None]
_BLOCK_ROWS = 8_192
_BLOCK_CELLS = 1_000_000
_BLOCK_BYTES = 8 << 20
_SAMPLE_ROWS = 1_000
_NAN = frozenset(("NaN", "nan", "NAN"))
# Objects need not have all keys, so a file of a few MiB can mean any number of cells.
_FREE_CELLS = 50_000_000
_CELLS_PER_BYTE = 10


@dataclass(slots=True)
class _Block:
    """Consecutive records: the rows as text, and what was no row."""

    records: list[JsonRecord] = field(default_factory=list)
    ordinals: list[int] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    end: int = 0


def import_json(
    request: ImportRequest, text: SourceText, report: Report
) -> ImportResult:
    """Read one file of JSON: an array of objects, or objects one after the other.

    Raises:
        EmptyFile, NotATable: It holds nothing, or no object.
        DamagedFile: It is no JSON from some line on.
        TooManyColumns: Its objects have too many different keys.
        TooSparse: Nearly all cells of its table would be empty.
        BadOption: An option cannot be followed.
    """
    return _Import(request, text, report).run()


class _Import:
    """The passes over one UTF-8 file."""

    def __init__(
        self, request: ImportRequest, text: SourceText, report: Report
    ) -> None:
        self._request = request
        self._text = text
        self._report = report
        self._size = text.path.stat().st_size
        self._skip = request.options.skip
        self._start = skip_lines(text.path, text.start, self._skip)
        named = request.options.format
        self._by_line = named == "ndjson" or (
            named != "json" and is_by_line(text.path, self._start)
        )
        nulls = request.options.nulls
        self._tokens = NULL_TOKENS if nulls is None else _NAN
        self._given = frozenset(nulls or ())
        self._kinds: dict[Path, set[CellKind]] = {}

    def run(self) -> ImportResult:
        self._look()
        self._names = with_required(
            column_names([".".join(path) for path in self._kinds]),
            self._request.options.required,
        )
        self._typer = self._make_typer()
        result = self._pass("reading")
        if result is None:
            self._typer.restart()
            result = self._pass("reading again with the types found")
        if result is None:
            raise RuntimeError("types proven by the whole file did not hold")
        return result

    def _records(self) -> Iterator[JsonRecord]:
        read = line_records if self._by_line else stream_records
        limits = self._request.limits
        found = read(self._text.path, self._start, limits, self._skip + 1)
        return islice(found, self._request.max_rows)

    # --- the columns -----------------------------------------------------------------

    def _look(self) -> None:
        """Find all columns, and what their cells are."""
        records = objects = 0
        for record in self._records():
            records += 1
            if records % _BLOCK_ROWS == 0:
                self._tell("looking for columns", record.end)
            if isinstance(record.value, Fault):
                continue
            objects += 1
            cells = _sound_cells(record)
            if isinstance(cells, Fault):
                continue
            for path, cell in cells.items():
                self._note(path, cell)
            if len(self._kinds) > self._request.limits.columns:
                raise TooManyColumns(self._request.limits.columns)
        if not records:
            raise EmptyFile
        if not objects:
            raise NotATable(f"{JSON} that holds no list of objects")
        room = objects * len(self._kinds)
        if room > _FREE_CELLS + self._size * _CELLS_PER_BYTE:
            raise TooSparse(objects, len(self._kinds))

    def _note(self, path: Path, cell: object) -> None:
        kinds = self._kinds.setdefault(path, set())
        if isinstance(cell, str) and cell in self._given:
            return
        kind = kind_of(cell)
        if kind is not None and not (kind == "text" and cell in self._tokens):
            kinds.add(kind)

    def _guess(self, path: Path) -> Guess:
        kinds = self._kinds[path]
        if kinds in ({"number"}, {"boolean"}):
            return "any"
        return "moments" if kinds == {"text"} else "none"

    def _make_typer(self) -> ColumnTyper:
        rows: list[list[str]] = []
        if self._request.max_rows is None:
            block = next(self._blocks(_SAMPLE_ROWS), _Block())
            rows = [[cell or "" for cell in row] for row in block.rows]
        guesses = [self._guess(path) for path in self._kinds]
        return ColumnTyper(self._names, self._request.options, rows, ",", guesses)

    # --- the rows --------------------------------------------------------------------

    def _blocks(self, most: int = _BLOCK_ROWS) -> Iterator[_Block]:
        most = min(most, max(1, _BLOCK_CELLS // max(len(self._kinds), 1)))
        block, size = _Block(), 0
        for ordinal, record in enumerate(self._records(), 1):
            self._add(block, record, ordinal)
            size += len(record.raw)
            block.end = record.end
            if len(block.rows) >= most or size >= _BLOCK_BYTES:
                yield block
                block, size = _Block(), 0
        if block.end:
            yield block

    def _add(self, block: _Block, record: JsonRecord, ordinal: int) -> None:
        row = self._row(record)
        if isinstance(row, Fault):
            block.rejects.append(_reject(record, ordinal, row))
            return
        record.value = {}
        block.records.append(record)
        block.ordinals.append(ordinal)
        block.rows.append(row)

    def _row(self, record: JsonRecord) -> list[str | None] | Fault:
        cells = _sound_cells(record)
        if isinstance(cells, Fault):
            return cells
        row = [
            None if (cell := cells.get(path)) is None else cell_text(cell)
            for path in self._kinds
        ]
        limit = self._request.limits.cell_bytes
        long = (cell for cell in row if cell is not None and len(cell) * 4 > limit)
        if any(len(cell.encode()) > limit for cell in long):
            return Fault("cell_too_large", f"A cell is longer than {limit} bytes.")
        return row

    def _pass(self, stage: str) -> ImportResult | None:
        """Read the file once; None if a guessed type did not hold."""
        records = 0
        with VersionOutput(self._request) as output:
            for block in self._blocks():
                records += len(block.rows) + len(block.rejects)
                typed = self._typer.take(self._frame(block))
                found = [*block.rejects, *_misfits(block, typed)]
                found.sort(key=lambda reject: reject.record)
                if typed.frame is not None and self._typer.holds:
                    output.reject(found)
                    output.add(typed.frame)
                self._tell(stage, block.end, output.rows, output.rejects)
            if not self._typer.holds:
                return None
            return output.finish(
                self._typer.columns(), self._typer.schema, records, self._describe()
            )

    def _frame(self, block: _Block) -> pl.DataFrame:
        schema = {str(place): pl.String() for place in range(len(self._names))}
        return pl.DataFrame(block.rows, schema=schema, orient="row")

    def _tell(self, stage: str, done: int, rows: int = 0, rejects: int = 0) -> None:
        self._report(
            Progress(
                stage=stage,
                done=min(done, self._size),
                total=self._size,
                rows=rows,
                rejects=rejects,
                columns=len(self._kinds),
            )
        )

    def _describe(self) -> SourceDescription:
        return SourceDescription(
            filename=self._request.filename,
            bytes=self._size,
            format="ndjson" if self._by_line else "json",
            encoding=self._text.encoding.name,
            findings=[*self._mixed(), *self._typer.findings()],
        )

    def _mixed(self) -> Iterator[Finding]:
        for name, kinds in zip(self._names, self._kinds.values(), strict=True):
            if len(kinds) > 1:
                yield Finding(
                    code="mixed_types",
                    column=name,
                    message=f"The column holds cells of several types"
                    f" ({', '.join(sorted(kinds))}), so it is text; fix one with the"
                    " option types.",
                )
            elif kinds == {"list"}:
                yield Finding(
                    code="lists_as_text",
                    column=name,
                    message="Lists are kept as JSON text.",
                )


def _sound_cells(record: JsonRecord) -> dict[Path, Any] | Fault:
    """Return the cells of a record, lists as text, or why it can be no row."""
    if isinstance(record.value, Fault):
        return record.value
    try:
        cells = flattened(record.value)
        for path, cell in cells.items():
            if isinstance(cell, list):
                cells[path] = JsonList(as_json(cell))
        if "\\u" in record.raw:  # only so a text can be what UTF-8 has no bytes for
            "".join(cell for cell in cells.values() if isinstance(cell, str)).encode()
    except NestedTooDeeply:
        return Fault("nested_too_deeply", "The record is nested too deeply.")
    except UnicodeEncodeError:
        return Fault("bad_encoding", "A text holds half of a surrogate pair.")
    return cells


def _reject(record: JsonRecord, ordinal: int, fault: Fault) -> Reject:
    return Reject(
        line=record.line,
        record=ordinal,
        code=fault.code,
        reason=fault.reason,
        raw=record.raw,
    )


def _misfits(block: _Block, typed: TypedBlock) -> Iterator[Reject]:
    """The rows whose cells do not fit the types they were forced to."""
    for row, errors, suggestion in zip(
        typed.bad_rows, typed.errors, typed.suggestions, strict=True
    ):
        record = block.records[row]
        yield Reject(
            line=record.line,
            record=block.ordinals[row],
            column=errors[0].column,
            code=errors[0].code,
            reason=errors[0].reason,
            raw=record.raw,
            suggestion=suggestion,
            errors=errors,
        )
