"""The port through which a model version gets the feature set it is bound to."""

from collections.abc import Awaitable, Callable
from typing import Any

from foretell.core.parts import Parts
from foretell.core.principal import Principal

# `(parts, unit of work, caller, name)`: the definition as JSON.
Bind = Callable[[Parts, Any, Principal, str], Awaitable[dict[str, Any]]]


class FeatureBinder:
    """Gives a version of a feature set for good: later ones change no model.

    Args:
        bind: Finds the latest version that the caller may see.
    """

    def __init__(self, bind: Bind) -> None:
        self.bind = bind
