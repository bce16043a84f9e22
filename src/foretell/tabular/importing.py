"""Read any file that holds a table into Parquet parts and rejects.

What a file is, its bytes say. Each kind has a reader of its own; what they make is
written by one writer (`version_output`). Runs in a sandboxed child.
"""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from foretell.errors import OutOfSpace
from foretell.tabular.arrow_file import import_arrow
from foretell.tabular.containers import Container, find_container
from foretell.tabular.delimited import import_delimited
from foretell.tabular.errors import BadOption, OtherFormat
from foretell.tabular.json_table import import_json
from foretell.tabular.messages import ImportRequest, ImportResult, Progress
from foretell.tabular.packing import Unpacked, unpacked
from foretell.tabular.parquet import import_parquet
from foretell.tabular.source_text import open_source
from foretell.tabular.workbooks import import_workbook

Report = Callable[[Progress], None]
Reader = Callable[[ImportRequest, Report], ImportResult]

_TEXT_FORMATS = ("csv", "tsv", "txt", "json", "ndjson")
_FORMATS: Mapping[str, Container] = {
    **dict.fromkeys(_TEXT_FORMATS, "text"),
    "xlsx": "xlsx",
    "xlsb": "xlsb",
    "xls": "xls",
    "ods": "ods",
    "parquet": "parquet",
    "arrow": "arrow",
}
_WORDS: Mapping[Container, str] = {
    "text": "text",
    "xlsx": "an Excel workbook (XLSX)",
    "xlsb": "a binary Excel workbook (XLSB)",
    "xls": "an old Excel workbook (XLS)",
    "ods": "an OpenDocument spreadsheet (ODS)",
    "parquet": "a Parquet file",
    "arrow": "an Arrow file",
}


def import_table(request: ImportRequest, report: Report) -> ImportResult:
    """Read one file.

    Raises:
        UnsupportedFormat: It holds no table, or one that is not read; the kind is
            named.
        Invalid: It is empty or damaged, or cannot be read with the options given.
        TooLarge: It unpacks to too much, or has too many columns or cells.
        OutOfSpace: The disk is full.
    """
    named = request.options.format
    if named is not None and named.lower() not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise BadOption(f"The format {named[:20]!r} is not read; these are: {known}.")
    try:
        with unpacked(request, report) as file:
            return _read(request, file, report)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace("There is no room left to store the table.") from error
        raise


def _read(request: ImportRequest, file: Unpacked, report: Report) -> ImportResult:
    named, container = request.options.format, find_container(file.path)
    if named is not None and _FORMATS[named.lower()] != container:
        raise OtherFormat(named, _WORDS[container])
    inner = msgspec.structs.replace(request, source=str(file.path))
    result = _READERS[container](inner, report)
    if file.compression is not None:
        result.source.compression = file.compression
        result.source.bytes = Path(request.source).stat().st_size
    if file.member is not None:
        result.source.member = file.member
    return result


def _import_text(request: ImportRequest, report: Report) -> ImportResult:
    named = request.options.format
    with open_source(request, report) as text:
        if named in ("json", "ndjson") or (named is None and text.is_json):
            return import_json(request, text, report)
        return import_delimited(request, text, report)


_READERS: Mapping[Container, Reader] = {
    "text": _import_text,
    "xlsx": import_workbook,
    "xlsb": import_workbook,
    "xls": import_workbook,
    "ods": import_workbook,
    "parquet": import_parquet,
    "arrow": import_arrow,
}
