"""The archive of a workbook, judged before a native library opens it.

A few kilobytes can unpack to gigabytes, and the reader would hold them or abort the
process (security.md, section 4). So what the archive says of itself is checked
first, and each part that will be read is inflated once under a running count, because
what an archive says of itself may be a lie.
"""

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

from foretell.tabular.errors import DamagedFile, InflatedTooLarge, NotATable
from foretell.tabular.messages import ImportLimits

WORKBOOK = "an Excel workbook (XLSX)"
_STEP = 1 << 20
_FREE_INFLATION = 64 << 20
_DIRECTORY_PART_BYTES = 16 << 20
_ENCRYPTED = 0x1
_KNOWN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    RuntimeError,
)
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


class WorkbookPackage:
    """An open archive whose parts are read under limits.

    Args:
        kind: What it is, in words.

    Raises:
        DamagedFile: Its directory is damaged, or names a part twice.
        NotATable: It is protected by a password.
        InflatedTooLarge: It holds too many parts, or says it unpacks to too much.
    """

    def __init__(self, path: Path, limits: ImportLimits, kind: str = WORKBOOK) -> None:
        self._kind = kind
        self._limits = limits
        self._packed = path.stat().st_size
        self._inflated = 0
        try:
            self._archive = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise DamagedFile(self._kind, "its archive is damaged.") from error
        try:
            self._parts = self._checked(self._archive.infolist())
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._archive.close()

    def _checked(self, entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        if len(entries) > self._limits.zip_entries:
            raise InflatedTooLarge(f"holds more than {self._limits.zip_entries} parts")
        self._check_size(sum(entry.file_size for entry in entries))
        parts: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            name = entry.filename.lower()
            if name in parts:
                raise DamagedFile(self._kind, "its archive names a part twice.")
            if entry.flag_bits & _ENCRYPTED:
                raise NotATable("a workbook that is protected by a password")
            if entry.compress_type not in _KNOWN_METHODS:
                raise DamagedFile(
                    self._kind, "its archive is packed in an unknown way."
                )
            parts[name] = entry
        return parts

    def _check_size(self, inflated: int) -> None:
        most, ratio = self._limits.workbook_bytes, self._limits.inflation_ratio
        if inflated > most:
            raise InflatedTooLarge(f"unpacks to more than {most >> 20} MiB")
        if inflated > _FREE_INFLATION and inflated > self._packed * ratio:
            raise InflatedTooLarge(f"unpacks to more than {ratio} times its size")

    def blocks(self, name: str) -> Iterator[bytes]:
        """Inflate a part piece by piece; nothing if there is none.

        Raises:
            DamagedFile: Its bytes are damaged.
            InflatedTooLarge: All that was inflated so far is too much.
        """
        entry = self._parts.get(name.lower())
        if entry is None:
            return
        try:
            with self._archive.open(entry) as stream:
                while block := stream.read(_STEP):
                    self._inflated += len(block)
                    self._check_size(self._inflated)
                    yield block
        except _DAMAGE as error:
            raise DamagedFile(self._kind, "its archive is damaged.") from error

    def drain_shared(self) -> int:
        """Inflate what the reader reads before any sheet: texts, styles, lists.

        Returns:
            How many bytes that is.
        """
        shared = [
            name
            for name in self._parts
            if name.startswith("xl/") and name.count("/") == 1
        ]
        return sum(len(block) for name in shared for block in self.blocks(name))

    def sheet_parts(self) -> dict[str, str]:
        """Return where the sheets stand in the archive, by name, in order.

        Raises:
            DamagedFile: The list of sheets cannot be read.
        """
        found: dict[str, str] = {}
        for element in self._tree("xl/workbook.xml").iter():
            if element.tag.rpartition("}")[2] == "sheet":
                relation = element.get(_RELATION) or element.get(_STRICT_RELATION)
                found[element.get("name", "")] = relation or ""
        return self.targets("xl/_rels/workbook.xml.rels", found)

    def targets(self, relations: str, sheets: dict[str, str]) -> dict[str, str]:
        """Return the parts that the relations of `sheets` lead to, by name."""
        targets = {
            relation.get("Id", ""): relation.get("Target", "")
            for relation in self._tree(relations)
        }
        return {
            name: _absolute(targets.get(relation, ""))
            for name, relation in sheets.items()
        }

    def _tree(self, name: str) -> ElementTree.Element:
        text = bytearray()
        for block in self.blocks(name):
            text += block
            if len(text) > _DIRECTORY_PART_BYTES:
                raise InflatedTooLarge("has a list of sheets of unusual size")
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise DamagedFile(self._kind, "it declares entities.")
        try:
            # Bounded, and without entities.
            return ElementTree.fromstring(bytes(text))  # noqa: S314
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise DamagedFile(self._kind, "its list of sheets is damaged.") from error


def _absolute(target: str) -> str:
    path = target if target.startswith("/") else f"/xl/{target}"
    return posixpath.normpath(path).lstrip("/")
