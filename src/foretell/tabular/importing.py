"""Read any file that holds a table into Parquet parts and rejects.

What a file is, its bytes say. Each kind has a reader of its own; what they make is
written by one writer (`version_output`). Runs in a sandboxed child.
"""

import errno
from collections.abc import Callable
from pathlib import Path

from foretell.errors import OutOfSpace
from foretell.tabular.containers import Container, find_container
from foretell.tabular.delimited import import_delimited
from foretell.tabular.errors import BadOption, OtherFormat
from foretell.tabular.messages import ImportRequest, ImportResult, Progress
from foretell.tabular.parquet import import_parquet
from foretell.tabular.workbooks import import_workbook

Report = Callable[[Progress], None]

_READERS: dict[Container, Callable[[ImportRequest, Report], ImportResult]] = {
    "text": import_delimited,
    "xlsx": import_workbook,
    "parquet": import_parquet,
}
_FORMATS: dict[str, Container] = {
    "csv": "text",
    "tsv": "text",
    "txt": "text",
    "xlsx": "xlsx",
    "parquet": "parquet",
}
_WORDS: dict[Container, str] = {
    "text": "neither a workbook nor Parquet",
    "xlsx": "an Excel workbook (XLSX)",
    "parquet": "a Parquet file",
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
    container = _container(request)
    try:
        return _READERS[container](request, report)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace("There is no room left to store the table.") from error
        raise


def _container(request: ImportRequest) -> Container:
    """What the file is, which must be what the caller says it is."""
    named = request.options.format
    if named is not None and named.lower() not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise BadOption(f"The format {named[:20]!r} is not read; these are: {known}.")
    container = find_container(Path(request.source))
    if named is not None and _FORMATS[named.lower()] != container:
        raise OtherFormat(named, _WORDS[container])
    return container
