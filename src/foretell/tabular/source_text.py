"""A source file as UTF-8 text: itself, or temporary files made from it."""

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from foretell.tabular.containers import gunzip, is_gzip, markup_kind, refuse_foreign
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
        compression: How the source was packed.
        may_be_damaged: Whether some bytes are not UTF-8, or U+FFFD stands for bytes
            that could not be decoded.
    """

    path: Path
    start: int
    encoding: Encoding
    compression: str | None
    may_be_damaged: bool


@contextmanager
def open_source(
    request: ImportRequest, report: Callable[[Progress], None]
) -> Generator[SourceText, None, None]:
    """Give the source as UTF-8; temporary files in the output folder go at the end.

    A dry run unpacks and decodes only as much as its rows can need.

    Raises:
        EmptyFile, NotATable: The bytes are no text.
        InflatedTooLarge: It unpacks to too much.
        Invalid: It is damaged gzip, or the encoding named does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="text-", dir=request.output) as folder:
        yield _as_utf8(request, Path(folder), report)


def _as_utf8(
    request: ImportRequest, folder: Path, report: Callable[[Progress], None]
) -> SourceText:
    source, compression = Path(request.source), None
    most = None if request.max_rows is None else _DRY_RUN_BYTES
    if is_gzip(source):
        unpacked = folder / "unpacked"
        unpacking = _stage(report, "unpacking", source)
        gunzip(source, unpacked, request.limits, unpacking, most)
        source, compression = unpacked, "gzip"
    refuse_foreign(source)
    encoding = _encoding_of(source, request.options.encoding, most)
    if encoding.is_utf8:
        is_damaged = encoding.is_damaged
        text = SourceText(source, encoding.mark, encoding, compression, is_damaged)
        return _refuse_markup(text, request)
    decoded = folder / "decoded"
    decoding = _stage(report, "decoding", source)
    is_damaged = decode_to_utf8(source, decoded, encoding, decoding, most)
    text = SourceText(decoded, 0, encoding, compression, is_damaged)
    return _refuse_markup(text, request)


def _refuse_markup(text: SourceText, request: ImportRequest) -> SourceText:
    """Raise if the text is no table, unless the caller insists on one."""
    with text.path.open("rb") as stream:
        stream.seek(text.start)
        kind = markup_kind(stream.read(512))
    if kind is not None and request.options.format is None:
        raise NotATable(kind)
    return text


def _encoding_of(source: Path, named: str | None, most: int | None) -> Encoding:
    if named is not None:
        return named_encoding(named, source)
    return find_encoding(source, most)


def _stage(
    report: Callable[[Progress], None], stage: str, source: Path
) -> Callable[[int], None]:
    total = source.stat().st_size
    return lambda done: report(Progress(stage=stage, done=done, total=total))
