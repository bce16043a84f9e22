"""What happens by itself when a version of a dataset is published.

Areas above register what they do; it runs in the transaction that publishes, so that
work is asked for exactly when the version is there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from foretell.core.parts import Parts

# `(parts, unit of work, id of the dataset, its name, number of the version)`
Follow = Callable[[Parts, Any, str, str, int], Awaitable[None]]


@dataclass(slots=True)
class Followers:
    """A port: the functions to call, in order."""

    functions: list[Follow] = field(default_factory=list)

    def add(self, function: Follow) -> None:
        self.functions.append(function)
