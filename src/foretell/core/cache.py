"""A cache of computed answers: in this process, and in the shared store if there is one.

Only what can never become wrong belongs here (figures of an immutable version), under a
key that names all it depends on: nothing is ever taken back, it is pushed out or
expires. In the shared store values are sealed and bound to their keys, so whoever reads
the store learns nothing, and whoever writes to it cannot forge an answer.
"""

import os
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from foretell.core.shared import Shared, SharedStoreUnavailable

SHARED_SECONDS = 24 * 3_600
# Longer than a counter is waited for: what is missing takes longer to compute.
PATIENCE_SECONDS = 0.1
MAX_SHARED_BYTES = 1024**2
# Of one entry's key, its place in the dictionary and its object.
_ENTRY_BYTES = 300
_NONCE_BYTES = 12


class Cache(Protocol):
    """Keeps answers while there is room."""

    async def get(self, key: str) -> bytes | None:
        """The value, if it is there. Never fails."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Keep the value if it is small enough. Never fails."""
        ...


class LocalCache:
    """A cache in this process; the answer that was used longest ago goes first.

    Attributes:
        bytes: What it holds.
        hits, misses: How often something was found, and not.
    """

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        self.hits = self.misses = 0
        self._max_bytes = max_bytes
        self._kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        found = self._kept.pop(key, None)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept[key] = found
        return found

    async def put(self, key: str, value: bytes) -> None:
        size = _size(value)
        # One answer must not push out all the others.
        if size > self._max_bytes // 8:
            return
        old = self._kept.pop(key, None)
        self.bytes += size - (0 if old is None else _size(old))
        self._kept[key] = value
        while self.bytes > self._max_bytes:
            first = next(iter(self._kept))
            self.bytes -= _size(self._kept.pop(first))


class SharedCache:
    """A cache of all API processes, behind one of this process.

    Args:
        key: 32 bytes, the same on every machine.

    Attributes:
        hits: How often the shared store had what this process had not.
    """

    def __init__(self, own: LocalCache, shared: Shared, key: bytes) -> None:
        self.own = own
        self.hits = 0
        self._shared = shared
        self._cipher = AESGCM(key)

    async def get(self, key: str) -> bytes | None:
        found = await self.own.get(key)
        if found is None:
            found = await self._asked(key)
            if found is not None:
                self.hits += 1
                await self.own.put(key, found)
        return found

    async def put(self, key: str, value: bytes) -> None:
        await self.own.put(key, value)
        if not self._shared.is_there or len(value) > MAX_SHARED_BYTES:
            return
        place = _place(key)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, value, place.encode())
        putting = self._shared.store.put(place, sealed, seconds=SHARED_SECONDS)
        try:
            await self._shared.ask(putting, PATIENCE_SECONDS)
        except SharedStoreUnavailable:
            return  # `Shared` has said so

    async def _asked(self, key: str) -> bytes | None:
        if not self._shared.is_there:
            return None
        place = _place(key)
        try:
            sealed = await self._shared.ask(
                self._shared.store.get(place), PATIENCE_SECONDS
            )
        except SharedStoreUnavailable:
            return None
        if sealed is None:
            return None
        try:
            nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, text, place.encode())
        except (InvalidTag, ValueError):  # of another secret, or of nobody of ours
            return None


def _place(key: str) -> str:
    return f"cache:{sha256(key.encode()).hexdigest()}"


def _size(value: bytes) -> int:
    return len(value) + _ENTRY_BYTES
