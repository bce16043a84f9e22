"""Lists and reads the members of a zip archive without trusting any of it.

Python's, PyTorch's and other readers of zip files disagree about odd archives: names
that come twice, members outside the list, sizes that lie. So an odd archive is refused,
and what a flavour loads is written anew from the members that were checked.
"""

import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from foretell.models.gate.containers import (
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    RATIO_FREE_BYTES,
    BadContainer,
)

MAGIC = b"PK\x03\x04"
MAX_MEMBERS = 20_000
# Nothing that only comes along with a net may be one of these.
CODE_SUFFIXES = (".dll", ".dylib", ".pickle", ".pkl", ".py", ".pyc", ".so")
_MAX_NAME = 500
_CHUNK = 1 << 20
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NAME = re.compile(r"[^\x00-\x1f\x7f\\:]+\Z")
_ENCRYPTED = 0x1
_HAS_DESCRIPTOR = 0x8


class Archive:
    """A zip archive of plain files, each name once, all within bounds.

    Attributes:
        sizes: Unpacked bytes by the name of the member, without folders.
    """

    def __init__(self, path: Path) -> None:
        """Read the list of members.

        Raises:
            BadContainer: It is broken, or of a form that no tool writes for a model.
        """
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise BadContainer("The zip archive is broken or cut off.") from error
        try:
            infos = self._zip.infolist()
            _check_list(infos, path.stat().st_size)
            self._infos = {i.filename: i for i in infos if not i.is_dir()}
        except BaseException:
            self._zip.close()
            raise
        self.sizes: Mapping[str, int] = {
            name: info.file_size for name, info in self._infos.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def read(self, name: str, limit: int) -> bytes:
        """One member as a whole.

        Raises:
            BadContainer: There is none, it is broken, or larger than `limit` bytes.
        """
        size = self.sizes.get(name)
        if size is None:
            raise BadContainer(f"The archive has no member {name!r}.")
        if size > limit:
            raise BadContainer(f"{name!r} has more than {limit:,} bytes.")
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a member, a piece at a time; never more than it announces."""
        left = self.sizes[name]
        try:
            with self._zip.open(self._infos[name]) as member:
                while piece := member.read(_CHUNK):
                    left -= len(piece)
                    if left < 0:
                        raise BadContainer(f"{name!r} is longer than it says.")
                    yield piece
        except BadContainer:
            raise
        except Exception as error:  # zipfile, zlib and their codecs raise many kinds
            raise BadContainer(f"{name!r} in the archive is broken.") from error
        if left:
            raise BadContainer(f"{name!r} is shorter than it says.")

    def copy(self, name: str, target: IO[bytes]) -> None:
        """Write a member to an open file."""
        for piece in self.pieces(name):
            target.write(piece)


def names_in_head(head: bytes) -> list[str]:
    """Names of the first members, as far as the first bytes of an archive tell.

    A hint to find the flavour by; nothing is loaded for it.
    """
    names: list[str] = []
    at = 0
    while head[at : at + 4] == MAGIC and len(head) >= at + 30:
        flags = int.from_bytes(head[at + 6 : at + 8], "little")
        packed = int.from_bytes(head[at + 18 : at + 22], "little")
        name_length = int.from_bytes(head[at + 26 : at + 28], "little")
        extra_length = int.from_bytes(head[at + 28 : at + 30], "little")
        name = head[at + 30 : at + 30 + name_length]
        names.append(name.decode(errors="replace"))
        if flags & _HAS_DESCRIPTOR:
            break
        at += 30 + name_length + extra_length + packed
    return names


def _check_list(infos: list[zipfile.ZipInfo], size: int) -> None:
    if len(infos) > MAX_MEMBERS:
        raise BadContainer(f"The archive has more than {MAX_MEMBERS:,} members.")
    seen: set[str] = set()
    for info in infos:
        _check_member(info)
        folded = info.filename.rstrip("/").casefold()
        if folded in seen:
            raise BadContainer(f"The archive has {info.filename[:80]!r} twice.")
        seen.add(folded)
    # Members that share bytes would unpack to far more than the file holds.
    if sum(info.compress_size for info in infos) > size:
        raise BadContainer("Members of the archive overlap.")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > min(MAX_UNPACKED_BYTES, max(RATIO_FREE_BYTES, MAX_RATIO * size)):
        raise BadContainer(f"The archive unpacks to {unpacked:,} bytes, too many.")


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = name.rstrip("/").split("/")
    # zipfile cuts a name at a zero byte; another reader might not.
    is_odd = info.orig_filename != name or len(name) > _MAX_NAME
    if is_odd or not _NAME.match(name) or any(p in ("", ".", "..") for p in parts):
        raise BadContainer(f"{name[:80]!r} is no proper name of a member.")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadContainer(f"{name[:80]!r} is a link or a device, not a file.")
    if info.flag_bits & _ENCRYPTED:
        raise BadContainer(f"{name[:80]!r} is encrypted.")
    if info.compress_type not in _PACKINGS:
        raise BadContainer(f"{name[:80]!r} is packed in an unusual way.")
