"""What was decoded once, kept within a number of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteBounded(Generic[K, V]):
    """Values by key; the one unused for longest goes first. Safe between threads.

    Args:
        most_bytes: Bytes of all values together.
        size: How many bytes a value takes.
    """

    def __init__(self, most_bytes: int, size: Callable[[V], int]) -> None:
        self._most_bytes = most_bytes
        self._size = size
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def get(self, key: K) -> V | None:
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V) -> None:
        """Keep a value; one that is larger than everything is not kept."""
        size = self._size(value)
        if size > self._most_bytes:
            return
        with self._lock:
            self._bytes -= self._values.pop(key, (None, 0))[1]
            self._values[key] = (value, size)
            self._bytes += size
            while self._bytes > self._most_bytes:
                _, (_, freed) = self._values.popitem(last=False)
                self._bytes -= freed

    def get_or_make(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key; two threads may make it at the same time."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found
