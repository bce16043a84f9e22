"""What the gate keeps on its stack in place of the objects a pickle describes.

Numbers, text, small byte strings and tuples stand for themselves. Everything that
would be an object in memory is a note about that object.
"""

from dataclasses import dataclass, field
from typing import Any

SMALL_BYTES = 256


@dataclass(frozen=True, slots=True)
class Blob:
    """A byte string of which only the length matters."""

    length: int


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name that the pickle asked for."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Items:
    """A list, set or deque under construction; `kind` says which."""

    kind: str
    items: list[Any] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Pairs:
    """A dictionary under construction."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)

    def get(self, key: str) -> Any:
        """The value last given for a key, or None."""
        for name, value in reversed(self.pairs):
            if name == key:
                return value
        return None


@dataclass(eq=False, slots=True)
class Made:
    """An instance made in this stream: by calling `of`, or by its `__new__`."""

    of: Name
    args: tuple[Any, ...] = ()
    is_built: bool = False
    is_known: bool = True
    detail: Any = None  # the numpy dtype, for dtypes; (shape, dtype) for arrays
