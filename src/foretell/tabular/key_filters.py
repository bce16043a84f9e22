"""Which row groups of a part may hold a value, for columns that the part is not sorted by.

A Bloom filter for each row group, split into blocks of 256 bits so that one look reads
one cache line: a value sets one bit in each of the eight words of one block. At 12 bits
a value it says "maybe" of 1 row group in 250 that does not hold it.

Source:
    Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007;
    the split-block filter of the Apache Parquet format. Made here because the writer of
    our parts does not write that one and its reader does not use it.
"""

import itertools
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.tabular.caching import ByteBounded
from foretell.tabular.footers import footer
from foretell.tabular.selectors import exactly

# Hashes of polars may change between releases, so a filter is for one of them.
KIND = f"keys-{pl.__version__}"
_HEADER = struct.Struct("<4sII")
_MAGIC = b"FKF1"
_BITS_A_VALUE = 12
_BLOCK_BITS = 256
_WORDS = 8
# With fewer different values a row group has most of them, and nothing is ruled out.
_FEWEST_SHARE = 16
_MAPPED_FILES = 512
_SALTS = np.array(
    [
        *(0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D),
        *(0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31),
    ],
    dtype=np.uint64,
)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Hashes = NDArray[np.uint64]


def can_filter(dtype: pl.DataType) -> bool:
    """Whether columns of a type have filters: whole numbers and texts."""
    return isinstance(dtype, pl.String) or dtype.is_integer()


def build(path: str, column: str) -> bytes:
    """Return the filters of a column of one part; empty where they would not help."""
    known = footer(path)
    if column not in known.schema or not can_filter(known.schema[column]):
        return b""
    cells = pl.scan_parquet(path).select(exactly(column).alias("c")).collect()["c"]
    groups = [
        cells[start:stop].drop_nulls().hash().unique().to_numpy()
        for start, stop in itertools.pairwise(known.starts)
    ]
    most = max((len(hashes) for hashes in groups), default=0)
    if most * _FEWEST_SHARE < max(np.diff(known.starts), default=0):
        return b""
    blocks = max(1, -(-most * _BITS_A_VALUE // _BLOCK_BITS))
    filters = b"".join(_filled(hashes, blocks) for hashes in groups)
    return _HEADER.pack(_MAGIC, len(groups), blocks) + filters


def _filled(hashes: Hashes, blocks: int) -> bytes:
    bits = np.zeros(blocks * _BLOCK_BITS, dtype=np.bool_)
    bits[_places(hashes, blocks).ravel()] = True
    return np.packbits(bits, bitorder="little").tobytes()


def _places(hashes: Hashes, blocks: int) -> NDArray[np.int64]:
    """The eight bits of each hash, `(hashes, 8)`."""
    block = ((hashes >> _HALF) * np.uint64(blocks)) >> _HALF
    word = np.arange(_WORDS, dtype=np.uint64) * np.uint64(32)
    bit = (((hashes & _LOW)[:, None] * _SALTS) & _LOW) >> np.uint64(27)
    places = block[:, None] * np.uint64(_BLOCK_BITS) + word + bit
    found: NDArray[np.int64] = places.astype(np.int64)
    return found


class KeyFilter:
    """The filters of one column of one part, in a mapped file."""

    def __init__(self, path: str) -> None:
        self._bytes: NDArray[np.uint8] | None = None
        self._blocks = 0
        if Path(path).stat().st_size < _HEADER.size:
            return
        data = np.memmap(path, dtype=np.uint8, mode="r")
        magic, groups, blocks = _HEADER.unpack(data[: _HEADER.size].tobytes())
        width = blocks * _BLOCK_BITS // 8
        if magic == _MAGIC and data.size == _HEADER.size + groups * width:
            self._blocks = blocks
            self._bytes = data[_HEADER.size :].reshape(groups, width)

    def may_hold(
        self, values: Sequence[Any], dtype: pl.DataType
    ) -> NDArray[np.bool_] | None:
        """Say of each row group whether it may hold one of the values.

        Returns:
            `None` where nothing is known.
        """
        if self._bytes is None:
            return None
        hashes = pl.Series(values, dtype=dtype).hash().to_numpy()
        found = np.zeros(len(self._bytes), dtype=np.bool_)
        for places in _places(hashes, self._blocks):
            shifts = (places & 7).astype(np.uint8)
            found |= ((self._bytes[:, places >> 3] >> shifts) & 1).all(axis=1)
        return found


_OPENED: ByteBounded[str, KeyFilter] = ByteBounded(_MAPPED_FILES, lambda _: 1)


def key_filter(path: str) -> KeyFilter:
    """Return the filters in a file."""
    return _OPENED.get_or_make(path, lambda: KeyFilter(path))
