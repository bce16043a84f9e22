"""How calls that name no version are split between versions."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from random import random
from typing import Any

_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Traffic:
    """The split of one model, as calls use it.

    Attributes:
        numbers: Versions that answer, ascending.
        ends: For each, the sum of its weight and those before it.
        shadows: Versions that score the same calls, and whose answers nobody gets.
    """

    numbers: tuple[int, ...]
    ends: tuple[int, ...]
    shadows: tuple[int, ...]

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Traffic | None":
        """Read what a model's row holds."""
        if stored is None:
            return None
        # In order of their numbers: what one version loses goes to its neighbours, and
        # the other callers keep theirs.
        routes = sorted(
            (route["version"], route["weight"]) for route in stored["routes"]
        )
        weighted = [(number, weight) for number, weight in routes if weight]
        return cls(
            numbers=tuple(number for number, _ in weighted),
            ends=tuple(accumulate(weight for _, weight in weighted)),
            shadows=tuple(stored["shadow"]),
        )

    def choose(self, key: str | None) -> int | None:
        """The version that answers a call; `None` where the split has shadows alone.

        Args:
            key: Calls with the same key get the same version as long as the weights
                stay; without one, chance decides.
        """
        if not self.numbers:
            return None
        place = random() if key is None else _place_of(key)  # noqa: S311 - no secret
        return self.numbers[bisect_right(self.ends, place * self.ends[-1])]


def _place_of(key: str) -> float:
    """Where a key lies between 0 and 1, the same in every process."""
    digest = hashlib.blake2b(key.encode(), digest_size=_HASH_BYTES).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)
