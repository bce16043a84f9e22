"""The members of a skops file, opened within limits."""

import io
import math
import re
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np

from foretell.models.gate.containers import (
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    RATIO_FREE_BYTES,
)
from foretell.models.gate.machine import Refused

MAX_MEMBERS = 100_000
MAX_SCHEMA_BYTES = 256 * 1024**2
_FIRST = re.compile(rb"([0-9]{1,20}\.np[yz]|[0-9a-f-]{36}\.bin|schema\.json)")
_SPARSE = ("col", "data", "format", "indices", "indptr", "offsets", "row", "shape")


def is_skops(head: bytes) -> bool:
    """True for the first bytes of a skops file: its first member's name tells."""
    if not head.startswith(b"PK\x03\x04") or len(head) < 30:
        return False
    length = int.from_bytes(head[26:28], "little")
    return _FIRST.fullmatch(head[30 : 30 + length]) is not None


class Archive:
    """A zip file whose members say how large they are, and are."""

    def __init__(self, file: ZipFile) -> None:
        self._file = file
        members = file.infolist()
        if len(members) > MAX_MEMBERS or len(members) != len(set(file.namelist())):
            raise Refused("container", "The archive has too many members, or twins.")
        packed = sum(one.compress_size for one in members)
        self.size = sum(one.file_size for one in members)
        allowed = max(RATIO_FREE_BYTES, MAX_RATIO * packed)
        if self.size > min(allowed, MAX_UNPACKED_BYTES):
            raise Refused("container", f"The archive unpacks to {self.size:,} bytes.")

    def text(self, name: str) -> bytes:
        if self._member(name).file_size > MAX_SCHEMA_BYTES:
            raise Refused("container", f"{name} has too many bytes.")
        return self._bytes(name)

    def length(self, name: Any) -> int:
        return self._member(name).file_size

    def array_shape(self, name: Any) -> tuple[int, ...]:
        """The shape of a `.npy` member, once its bytes are found to be an array."""
        return _array_shape(self._bytes(name))

    def check_arrays(self, name: Any) -> None:
        """Demand that a `.npz` member holds the arrays of a sparse matrix."""
        with ZipFile(io.BytesIO(self._bytes(name))) as inner:
            archive = Archive(inner)
            for member in inner.namelist():
                if member.removesuffix(".npy") not in _SPARSE:
                    raise Refused("array", "A sparse matrix has another part.")
                archive.array_shape(member)

    def _member(self, name: Any) -> ZipInfo:
        if not isinstance(name, str):
            raise Refused("malformed", "A node of the skops file names no member.")
        return self._file.getinfo(name)

    def _bytes(self, name: Any) -> bytes:
        member = self._member(name)
        with self._file.open(member) as stream:
            # A member that lies about its size is cut there, and its sum is wrong.
            return stream.read(member.file_size + 1)


def _array_shape(data: bytes) -> tuple[int, ...]:
    stream = io.BytesIO(data)
    major, minor = np.lib.format.read_magic(stream)
    if (major, minor) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    elif (major, minor) == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise Refused("array", "An array is of an unknown version.")
    if dtype.hasobject:
        raise Refused("array", "An array holds objects.")
    left = len(data) - stream.tell()
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != left:
        raise Refused("array", "An array's data has another length than it says.")
    return tuple(shape)
