"""Find out what kind of file the bytes are.

The name of a file is never believed: a workbook called `.csv` is read as a workbook,
and a picture called so is refused with its kind named, instead of being read as
garbled text.
"""

import mmap
import re
import zipfile
from pathlib import Path
from typing import Literal

from foretell.tabular.encodings import wide_encoding
from foretell.tabular.errors import EmptyFile, NotATable

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF-", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"PARE", "an encrypted Parquet file"),
    (b"FEA1", "a Feather file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"OggS", "an Ogg media file"),
    (b"ID3", "an MP3 audio file"),
    (b"fLaC", "a FLAC audio file"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ARROW_STREAM = b"\xff\xff\xff\xff"
# Magic of two or three printable letters may also start a header, such as "BMI".
_SHORT_MAGIC_NEEDS_BINARY = 3
# Not NUL (judged row by row), nor \x01 and \x1f (delimiters of some exports).
_CONTROL = bytes(range(2, 9)) + bytes(range(14, 27)) + bytes(range(28, 31))


Container = Literal["text", "xlsx", "xlsb", "xls", "ods", "parquet", "arrow"]


def find_container(path: Path) -> Container:
    """Return how the file is to be opened; what looks like nothing else is text.

    Raises:
        NotATable: It is a ZIP archive or an Office file that is no workbook.
    """
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1\x00\x00", _ARROW_STREAM)):
        return "arrow"
    if head.startswith(_OLE):
        return _ole_container(path)
    if head.startswith(ZIP_MAGIC):
        return _zip_container(path, head)
    return "text"


def is_binary_table(head: bytes) -> bool:
    """Tell whether a file that starts so is a table, but not one of text."""
    return head.startswith((b"PAR1", b"ARROW1", _ARROW_STREAM, _OLE, *ZIP_MAGIC))


def zip_content(path: Path) -> Literal["office", "files"]:
    """Tell an Office document from an archive of files."""
    names = _zip_names(path)
    with path.open("rb") as stream:
        head = stream.read(4096)
    if "[content_types].xml" in names or _is_open_document(head):
        return "office"
    if not names and any(part in head for part in (b"xl/", b"word/", b"ppt/")):
        return "office"  # or was one, before it was cut short
    return "files"


def _is_open_document(head: bytes) -> bool:
    return b"mimetypeapplication/vnd.oasis" in head[:200]


def _zip_container(path: Path, head: bytes) -> Container:
    names = _zip_names(path)
    if "xl/workbook.xml" in names or (not names and b"xl/" in head):
        return "xlsx"  # or was one, before it was cut short
    if "xl/workbook.bin" in names:
        return "xlsb"
    if _is_open_document(head) and b"opendocument.spreadsheet" in head[:200]:
        return "ods"
    raise NotATable(_zip_kind(head, names))


def _zip_names(path: Path) -> set[str]:
    """Names of the archive in lower case; none where its directory is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.lower() for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeError):
        return set()


def _ole_container(path: Path) -> Container:
    """Office puts what is encrypted, XLSX too, into its old container."""
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        if data.find("EncryptedPackage".encode("utf-16-le")) >= 0:
            raise NotATable("an Office file that is protected by a password")
        for name in ("Workbook", "Book"):
            if data.find(f"{name}\0".encode("utf-16-le")) >= 0:
                return "xls"
    raise NotATable("an old Office file that is no workbook")


def sniff_kind(head: bytes) -> str | None:
    """Return what the bytes are, in words, or None where they may be text."""
    for magic, kind in _MAGIC:
        if head.startswith(magic) and (
            len(magic) > _SHORT_MAGIC_NEEDS_BINARY or _looks_binary(head)
        ):
            return kind
    if head.startswith(_OLE):
        return "an old Office file"
    if head.startswith(ZIP_MAGIC):
        return _zip_kind(head, set())
    if head[4:8] == b"ftyp":
        return "a video file"
    if head[:4] == b"RIFF":
        return "a media file"
    if head[257:262] == b"ustar":
        return "a tar archive"
    return None


def _zip_kind(head: bytes, names: set[str]) -> str:
    if _is_open_document(head):
        return "an OpenDocument file that is no spreadsheet"
    inside = " ".join(names).encode() + head.lower()
    for part, kind in (
        (b"word/", "a Word document"),
        (b"ppt/", "a PowerPoint file"),
        (b"xl/", "an Excel workbook (XLSX)"),
        (b"[content_types].xml", "an Office file"),
    ):
        if part in inside:
            return kind
    return "a ZIP archive"


def _looks_binary(head: bytes) -> bool:
    """One byte in twenty is a control character that texts do not have."""
    found = len(head) - len(head.translate(None, _CONTROL))
    return found > max(3, len(head) // 20)


def refuse_foreign(path: Path) -> None:
    """Raise unless the file may be text.

    Raises:
        EmptyFile: It has no bytes.
        NotATable: It is of a kind that is not text; the kind is named.
    """
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head:
        raise EmptyFile
    kind = sniff_kind(head)
    if kind is not None:
        raise NotATable(kind)
    if wide_encoding(head) is None and _looks_binary(head):
        raise NotATable("a binary file of an unknown kind")


def markup_kind(text: bytes) -> str | None:
    """Return what a text is in words, if it is no table but markup."""
    start = text[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if start.startswith((b"<?xml", b"<svg")):
        return "an XML file"
    return None


def is_json(text: bytes) -> bool:
    """Tell whether a text starts as objects of JSON do, one alone or in an array."""
    return bool(re.match(rb'\s*\[?\s*\{\s*(?:"[^"]*"\s*:|\})|\s*\[\s*[\[\]]', text))
