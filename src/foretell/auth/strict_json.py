"""JSON of tokens, read so that no two readers can take it differently."""

import json
from typing import Any


def loads_strictly(payload: bytes) -> Any:
    """Parse JSON without repeated members, NaN or infinity.

    Raises:
        ValueError: It is no such JSON.
    """
    return json.loads(
        payload,
        object_pairs_hook=_without_repeats,
        parse_constant=_refuse_constant,
    )


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim stands twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
