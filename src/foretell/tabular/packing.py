"""Unpack what a file is packed in: gzip, Zstandard, or one member of a ZIP archive.

Bytes are counted while they are inflated, because what a packed file says of its size
may be a lie. What comes out is read like any other file, but not unpacked once more.
"""

import gzip
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from foretell.tabular.containers import ZIP_MAGIC, is_binary_table, zip_content
from foretell.tabular.errors import (
    ArchiveMember,
    DamagedFile,
    InflatedTooLarge,
    NotATable,
    UnsafeArchive,
)
from foretell.tabular.messages import ImportLimits, ImportRequest, Progress

_GZIP = b"\x1f\x8b\x08"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_STEP = 1 << 20
_FREE_INFLATION = 64 << 20
_DRY_RUN_BYTES = 64 << 20
_ENCRYPTED = 0x1
_SEPARATORS = re.compile(r"[/\\]")
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")
_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    RuntimeError,
)
_WORDS = {"gzip": "a gzip file", "zstd": "a Zstandard file", "zip": "a ZIP archive"}

Blocks = Iterator[tuple[bytes, int]]
"""Inflated pieces, each with the packed bytes read so far."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A file to read.

    Attributes:
        path: The file itself, or a temporary one.
        compression: `gzip`, `zstd` or `zip`; None for a file that was not packed.
        member: Its name in the archive.
    """

    path: Path
    compression: str | None = None
    member: str | None = None


@contextmanager
def unpacked(
    request: ImportRequest, report: Callable[[Progress], None]
) -> Generator[Unpacked, None, None]:
    """Give the source without its packing; temporary files go at the end.

    A dry run unpacks only as much text as its rows can need.

    Raises:
        InflatedTooLarge: It unpacks to too much.
        DamagedFile: It is damaged or cut short.
        ArchiveMember: It is an archive of several files, or not of the one named.
        UnsafeArchive: It is one that would write outside of its folder.
        NotATable: It is packed twice, or locked by a password.
    """
    source = Path(request.source)
    compression = packed_kind(source)
    if compression is None:
        yield Unpacked(source)
        return
    with tempfile.TemporaryDirectory(prefix="packed-", dir=request.output) as folder:
        target = Path(folder) / "unpacked"
        member = _unpack(compression, request, target, report)
        inner = packed_kind(target)
        if inner is not None:
            raise NotATable(f"{_WORDS[inner]} inside of {_WORDS[compression]}")
        yield Unpacked(target, compression, member)


def packed_kind(path: Path) -> str | None:
    """Return how a file is packed; a workbook is not, though it is a ZIP archive."""
    with path.open("rb") as stream:
        head = stream.read(4)
    if head.startswith(_GZIP):
        return "gzip"
    if head == _ZSTANDARD:
        return "zstd"
    if head in ZIP_MAGIC and zip_content(path) == "files":
        return "zip"
    return None


def _unpack(
    compression: str,
    request: ImportRequest,
    target: Path,
    report: Callable[[Progress], None],
) -> str | None:
    source, limits = Path(request.source), request.limits
    size = source.stat().st_size
    most = None if request.max_rows is None else _DRY_RUN_BYTES
    if compression == "zip":
        with _archive(source, limits) as archive:
            member = _chosen(archive, request.options.member)
            tell = _telling(report, member.compress_size)
            blocks = _member_blocks(archive, member)
            _write(blocks, target, limits, tell, most)
            return member.filename
    read = _gzip_blocks if compression == "gzip" else _zstandard_blocks
    with source.open("rb") as raw:
        _write(read(raw), target, limits, _telling(report, size), most)
    return None


def _telling(report: Callable[[Progress], None], total: int) -> Callable[[int], None]:
    return lambda done: report(
        Progress(stage="unpacking", done=min(done, total), total=total)
    )


def _write(
    blocks: Blocks,
    target: Path,
    limits: ImportLimits,
    tell: Callable[[int], None],
    most: int | None,
) -> None:
    written = 0
    with target.open("wb") as out:
        for block, packed in blocks:
            if not written and is_binary_table(block):
                most = None  # such a file is read from its end
            written += len(block)
            _check_inflation(written, packed, limits)
            out.write(block)
            tell(packed)
            if most is not None and written >= most:
                return


def _check_inflation(written: int, packed: int, limits: ImportLimits) -> None:
    if written > limits.inflated_bytes:
        raise InflatedTooLarge(f"unpacks to more than {limits.inflated_bytes} bytes")
    if written > _FREE_INFLATION and written > packed * limits.inflation_ratio:
        raise InflatedTooLarge(
            f"unpacks to more than {limits.inflation_ratio} times its size"
        )


def _gzip_blocks(raw: BinaryIO) -> Blocks:
    try:
        with gzip.GzipFile(fileobj=raw) as packed:
            while block := packed.read(_STEP):
                yield block, raw.tell()
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFile("a gzip file", "it is damaged or cut short.") from error


def _zstandard_blocks(raw: BinaryIO) -> Blocks:
    try:
        with pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd") as packed:
            while block := packed.read(_STEP):
                yield block, raw.tell()
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFile("a Zstandard file", "it is damaged or cut short.") from error


# --- ZIP archives ----------------------------------------------------------------


@contextmanager
def _archive(
    path: Path, limits: ImportLimits
) -> Generator[zipfile.ZipFile, None, None]:
    try:
        archive = zipfile.ZipFile(path)
    except _ZIP_DAMAGE as error:
        raise DamagedFile("a ZIP archive", "its directory is damaged.") from error
    with archive:
        if len(archive.infolist()) > limits.zip_entries:
            raise InflatedTooLarge(f"holds more than {limits.zip_entries} files")
        for entry in archive.infolist():
            _refuse_unsafe(entry)
        yield archive


def _refuse_unsafe(entry: zipfile.ZipInfo) -> None:
    """Refuse an archive made to write elsewhere, though nothing here would.

    Raises:
        UnsafeArchive: The member is a link, or its name leads out of a folder.
    """
    name = entry.filename
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnsafeArchive(name, "is a symbolic link")
    if _ABSOLUTE.match(name):
        raise UnsafeArchive(name, "has an absolute path")
    if ".." in _SEPARATORS.split(name):
        raise UnsafeArchive(name, "has a path that leads upwards")


def _chosen(archive: zipfile.ZipFile, wanted: str | None) -> zipfile.ZipInfo:
    """The member named, or the only one there is."""
    members = [entry for entry in archive.infolist() if _is_file(entry)]
    names = [entry.filename for entry in members]
    fitting = members
    if wanted is not None:
        fitting = [e for e in members if e.filename == wanted]
        if not fitting:
            fitting = [e for e in members if _basename(e.filename) == wanted]
    if len(fitting) != 1:
        raise ArchiveMember(wanted, names)
    if fitting[0].flag_bits & _ENCRYPTED:
        raise NotATable("a ZIP archive that is protected by a password")
    return fitting[0]


def _basename(name: str) -> str:
    return _SEPARATORS.split(name)[-1]


def _is_file(entry: zipfile.ZipInfo) -> bool:
    """Leave out folders, and what systems put in."""
    parts = _SEPARATORS.split(entry.filename)
    is_hidden = parts[0] == "__MACOSX" or parts[-1].startswith(".")
    return not (entry.is_dir() or is_hidden)


def _member_blocks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Blocks:
    packed, total = 0, max(member.file_size, 1)
    try:
        with archive.open(member) as stream:
            while block := stream.read(_STEP):
                # The packed size up to here is not told; their ratio is the member's.
                packed += len(block) * member.compress_size // total
                yield block, packed
    except _ZIP_DAMAGE as error:
        raise DamagedFile("a ZIP archive", "it is damaged or cut short.") from error
