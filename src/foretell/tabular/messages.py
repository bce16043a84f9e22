"""What goes into an import and what comes out of it.

An import runs in a sandboxed child, so its request, its progress and its result
cross a process border as msgpack: all of them are plain msgspec structs.
"""

from typing import Any

import msgspec

from foretell.core.columns import Column

_MIB = 1024 * 1024


class ImportOptions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the caller knows about the file; every field left out is found out.

    Attributes:
        format: `csv` (any delimiter), `json`, `ndjson`, `xlsx`, `xlsb`, `xls`, `ods`,
            `parquet` or `arrow`; must be what the bytes are.
        member: Which file of a ZIP archive is meant, where it holds several.
        delimiter: One character between cells; `tab` and `\\t` both mean the tab.
        quote: One character around cells; empty for "nothing is quoted".
        encoding: Python's name of the text encoding.
        header: Whether the first row names the columns, or the line that does (from 1).
        skip: Lines to leave out at the top.
        sheet: Name of a workbook's sheet, or its place from 0; the first sheet that
            holds anything when left out. Meaningless for other files.
        types: Type by column; cells that do not fit reject their row.
        nulls: Cells that mean "no value" in every column, beside the empty cell.
        date_format: strftime format by column.
        decimal: The decimal mark, `.` or `,`.
        required: Columns that must be there. One that is spelled in other letter case
            gets the name as it stands here.
        macros: `ignore` to read a workbook that has macros, which are never run.
    """

    format: str | None = None
    member: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    header: bool | int | None = None
    skip: int = 0
    sheet: str | int | None = None
    types: dict[str, str] = {}
    nulls: list[str] | None = None
    date_format: dict[str, str] = {}
    decimal: str | None = None
    required: list[str] = []
    macros: str | None = None


class ImportLimits(msgspec.Struct, kw_only=True):
    """Bounds that hold while a file is read (security.md, section 4).

    Attributes:
        cell_bytes: Longest cell; a longer one rejects its row.
        record_bytes: Longest row; a longer one is rejected unread.
        columns: Most columns a table may have.
        inflated_bytes: Most bytes a compressed file may unpack to.
        inflation_ratio: Most times its packed size a compressed file may unpack to,
            counted above the first 64 MiB.
        zip_entries: Most files in a workbook's archive.
        workbook_bytes: Most bytes that the files of a workbook may unpack to.
        sheet_rows: Most rows of a sheet; what spreadsheets have.
        sheet_cells: Most cells a sheet may have, blank ones in between included.
        memory_bytes: Memory that reading may take; what is held whole is measured
            against it before it is opened.
    """

    cell_bytes: int = _MIB
    record_bytes: int = 32 * _MIB
    columns: int = 10_000
    inflated_bytes: int = 64 * 1024 * _MIB
    inflation_ratio: int = 100
    zip_entries: int = 10_000
    workbook_bytes: int = 2 * 1024 * _MIB
    sheet_rows: int = 1_048_576
    sheet_cells: int = 50_000_000
    memory_bytes: int = 2 * 1024 * _MIB


class ImportRequest(msgspec.Struct, kw_only=True):
    """One file to read.

    Attributes:
        source: Path of the file.
        output: Existing folder for the parts; everything is written only here.
        filename: The name the caller gave the file (a label, never a path).
        options: What the caller knows.
        max_rows: Read only this many records and write nothing (dry run).
        profile: Gather the statistics of every column while the rows pass.
        limits: Bounds while reading.
    """

    source: str
    output: str
    filename: str = ""
    options: ImportOptions = msgspec.field(default_factory=ImportOptions)
    max_rows: int | None = None
    profile: bool = False
    limits: ImportLimits = msgspec.field(default_factory=ImportLimits)


class Progress(msgspec.Struct, kw_only=True):
    """How far an import is: `done` of `total` bytes in this stage.

    Attributes:
        rows, rejects, columns: Found so far.
    """

    stage: str
    done: int
    total: int
    rows: int = 0
    rejects: int = 0
    columns: int = 0


class CellError(msgspec.Struct, kw_only=True):
    """One cell that does not fit the type its column was forced to."""

    column: str
    code: str
    reason: str


class Finding(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Something about the file a person should know, such as a date left as text."""

    code: str
    message: str
    column: str | None = None
    lines: int | None = None
    formats: list[str] | None = None
    example: str | None = None


class Part(msgspec.Struct, kw_only=True):
    """One Parquet file of the version, in row order."""

    file: str
    rows: int
    bytes: int
    sha256: str


class SourceDescription(msgspec.Struct, kw_only=True):
    """How the file was read; what its format does not have is left out.

    Attributes:
        header: Line of the header, or false.
        compression, member: How it was packed, and its name in an archive.
        sheet, sheets: The sheet that was read, and all there are, in order.
    """

    filename: str
    bytes: int
    format: str
    encoding: str | msgspec.UnsetType = msgspec.UNSET
    delimiter: str | msgspec.UnsetType = msgspec.UNSET
    quote: str | msgspec.UnsetType = msgspec.UNSET
    header: bool | int | msgspec.UnsetType = msgspec.UNSET
    compression: str | msgspec.UnsetType | None = msgspec.UNSET
    member: str | msgspec.UnsetType = msgspec.UNSET
    sheet: str | msgspec.UnsetType = msgspec.UNSET
    sheets: list[str] | msgspec.UnsetType = msgspec.UNSET
    findings: list[Finding] = []


class ImportResult(msgspec.Struct, kw_only=True):
    """What an import made; `rows + rejects == records`.

    Attributes:
        columns: The columns in file order.
        rows: Rows in the parts.
        rejects: Records kept aside.
        records: Records in the file (blank lines, preamble and header are none).
        parts: The Parquet files; empty for a dry run.
        rejects_file: Name of the Parquet file of rejects, if there are any.
        source: How the file was read.
        profile_file: Name of the file with the version's profile, if there is one.
        sample: The rows as one JSON array; dry run only.
        rejected: The rejects as one JSON array; dry run only.
    """

    columns: list[Column]
    rows: int
    rejects: int
    records: int
    parts: list[Part]
    rejects_file: Part | None
    source: SourceDescription
    profile_file: str | None = None
    sample: bytes | None = None
    rejected: bytes | None = None

    def to_builtins(self) -> dict[str, Any]:
        """Return the result as JSON-like values, without the sample bytes."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        del plain["sample"], plain["rejected"]
        return plain
