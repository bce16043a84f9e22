"""Finds out how a model file is packed, and unpacks it within limits.

The container is known by its first bytes, never by the file's name. Unpacking
counts what comes out while it comes out, so a file that would fill the disk is
refused after a few megabytes of it.
"""

import bz2
import importlib
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

MAX_RATIO = 200
RATIO_FREE_BYTES = 64 * 1024 * 1024  # zeros pack 1,000 to 1; small files may
MAX_UNPACKED_BYTES = 2 * 1024**3
_LZMA_MEMORY_BYTES = 256 * 1024 * 1024
_CHUNK = 256 * 1024

_MAGIC = {
    "gzip": b"\x1f\x8b",
    "bz2": b"BZh",
    "xz": b"\xfd7zXZ",
    "lzma": b"\x5d\x00",
    "lz4": b"\x04\x22\x4d\x18",
}


class BadContainer(ValueError):
    """The packing is broken, of an unknown kind, or unpacks to too much."""


def compression_of(head: bytes) -> str | None:
    """Name the compression that the first bytes of a file show, if any."""
    for name, magic in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head[:1] == b"\x78" and len(head) > 1 and int.from_bytes(head[:2]) % 31 == 0:
        return "zlib"
    return None


def unpack(
    source: Path, target: IO[bytes], compression: str, *, limit: int | None = None
) -> int:
    """Write the unpacked bytes of a file to `target`; say how many.

    Args:
        limit: The most bytes that may come out (default `MAX_UNPACKED_BYTES`).

    Raises:
        BadContainer: Broken, followed by other bytes, or too much comes out.
    """
    limit = MAX_UNPACKED_BYTES if limit is None else limit
    allowed = min(limit, max(RATIO_FREE_BYTES, MAX_RATIO * source.stat().st_size))
    written = 0
    try:
        with source.open("rb") as packed:
            for piece in _pieces(packed, compression):
                written += len(piece)
                if written > allowed:
                    raise BadContainer(
                        f"The file unpacks to more than {allowed:,} bytes."
                    )
                target.write(piece)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError) as error:
        raise BadContainer(f"The {compression} container is broken.") from error
    return written


def _pieces(packed: IO[bytes], compression: str) -> Iterator[bytes]:
    """Unpacked chunks, each small however well the input is packed."""
    decompressor = _decompressor(compression)
    waiting = b""
    while not decompressor.eof:
        data = waiting
        if not data and getattr(decompressor, "needs_input", True):
            data = packed.read(_CHUNK)
        piece = decompressor.decompress(data, _CHUNK)
        if not data and not piece and not decompressor.eof:
            raise EOFError("the compressed stream ends early")
        yield piece
        waiting = getattr(decompressor, "unconsumed_tail", b"")
    # gzip allows several members in a row; joblib never writes them, and bytes
    # that one reader sees and another does not are a hiding place.
    if decompressor.unused_data or packed.read(1):
        raise BadContainer("There are bytes after the end of the container.")


def _decompressor(compression: str) -> Any:
    if compression == "zlib":
        return zlib.decompressobj()
    if compression == "gzip":
        return zlib.decompressobj(wbits=31)
    if compression == "bz2":
        return bz2.BZ2Decompressor()
    if compression == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY_BYTES)
    if compression == "lzma":
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY_BYTES)
    if compression == "lz4":
        try:
            frame = importlib.import_module("lz4.frame")
        except ImportError as error:
            raise BadContainer(
                "The file is packed with lz4, which is not installed here; "
                "save it with compress=3 instead."
            ) from error
        return frame.LZ4FrameDecompressor()
    raise BadContainer(f"Unknown compression {compression!r}.")
