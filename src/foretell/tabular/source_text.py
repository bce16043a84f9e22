"""A source file as UTF-8 text: itself, or temporary files made from it."""

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from foretell.tabular.containers import is_json, markup_kind, refuse_foreign
from foretell.tabular.encodings import (
    Encoding,
    decode_to_utf8,
    find_encoding,
    named_encoding,
)
from foretell.tabular.errors import NotATable
from foretell.tabular.messages import ImportRequest, Progress

_DRY_RUN_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class SourceText:
    """UTF-8 text to read.

    Attributes:
        path: Where it is.
        start: Bytes of a byte order mark to leave out.
        encoding: How the source was encoded.
        is_json: Whether it starts as JSON does.
        may_be_damaged: Whether some bytes are not UTF-8, or U+FFFD stands for bytes
            that could not be decoded.
    """

    path: Path
    start: int
    encoding: Encoding
    is_json: bool
    may_be_damaged: bool


@contextmanager
def open_source(
    request: ImportRequest, report: Callable[[Progress], None]
) -> Generator[SourceText, None, None]:
    """Give the source as UTF-8; temporary files in the output folder go at the end.

    A dry run decodes only as much as its rows can need.

    Raises:
        EmptyFile, NotATable: The bytes are no text.
        Invalid: The encoding named does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="text-", dir=request.output) as folder:
        yield _as_utf8(request, Path(folder), report)


def _as_utf8(
    request: ImportRequest, folder: Path, report: Callable[[Progress], None]
) -> SourceText:
    source = Path(request.source)
    most = None if request.max_rows is None else _DRY_RUN_BYTES
    refuse_foreign(source)
    encoding = _encoding_of(source, request.options.encoding, most)
    if encoding.is_utf8:
        is_damaged = encoding.is_damaged
        return _judged(source, encoding.mark, encoding, is_damaged, request)
    decoded = folder / "decoded"
    decoding = _stage(report, "decoding", source)
    is_damaged = decode_to_utf8(source, decoded, encoding, decoding, most)
    return _judged(decoded, 0, encoding, is_damaged, request)


def _judged(
    path: Path, start: int, encoding: Encoding, is_damaged: bool, request: ImportRequest
) -> SourceText:
    """The text, unless it is no table and the caller does not insist on one."""
    with path.open("rb") as stream:
        stream.seek(start)
        head = stream.read(4096)
    kind = markup_kind(head)
    if kind is not None and request.options.format is None:
        raise NotATable(kind)
    return SourceText(path, start, encoding, is_json(head), is_damaged)


def _encoding_of(source: Path, named: str | None, most: int | None) -> Encoding:
    if named is not None:
        return named_encoding(named, source)
    return find_encoding(source, most)


def _stage(
    report: Callable[[Progress], None], stage: str, source: Path
) -> Callable[[int], None]:
    total = source.stat().st_size
    return lambda done: report(Progress(stage=stage, done=done, total=total))
