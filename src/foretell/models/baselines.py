"""What the values of a version looked like when it was uploaded, in fixed bins.

The bins never change, since a version never does. So rows that are counted into them by
any process on any day can be added up, and compared with the example rows.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from foretell.models.signature import Scalar, Signature

PREDICTION = "prediction"
MAX_INPUTS = 1000  # of wider models the first ones are watched
MAX_OUTPUTS = 20
MAX_VALUES = 50


class Bins(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the values of one column may fall, and how many of the reference did.

    Attributes:
        kind: `number` or `category`.
        edges: Of a number, ascending: the first bin holds what is at most the first
            edge, each next one what is above its lower and at most its upper edge, the
            one after the last edge the rest. The last bin of all is for missing values.
        values: Of a category, each a bin; then one for other values, then one for
            missing ones. Without any, only being there is watched.
        counts: Rows of the reference for each bin; empty without a reference.
    """

    name: str
    kind: Literal["number", "category"]
    edges: list[float] = []
    values: list[Scalar] = []
    counts: list[int] = []

    @property
    def size(self) -> int:
        """How many bins there are."""
        if self.kind == "number":
            return len(self.edges) + 2
        return len(self.values) + 2


class Baseline(msgspec.Struct, frozen=True):
    """The bins of a version.

    Attributes:
        rows: Of the example; 0 without one.
        inputs: Of the inputs that are watched; none without an example.
        outputs: `prediction`, or `prediction_0`, … where there are several.
    """

    rows: int
    inputs: list[Bins]
    outputs: list[Bins]


def known_baseline(signature: Signature, stored: Any) -> Baseline:
    """The baseline of a version, from what its row holds.

    Args:
        stored: `None` for a version from before there were baselines: its classes are
            known all the same.
    """
    if stored is not None:
        return msgspec.convert(stored, Baseline)
    prediction = signature.output(PREDICTION)
    if prediction is None or prediction.size is not None or not prediction.values:
        return Baseline(0, [], [])
    values = prediction.values[:MAX_VALUES]
    return Baseline(0, [], [Bins(PREDICTION, "category", values=values)])


def place(values: Sequence[Scalar]) -> dict[Any, int]:
    """The bin of each value of a category."""
    return {value: index for index, value in enumerate(values)}


def added(one: Iterable[int], other: Iterable[int]) -> list[int]:
    """Two lists of counts of the same bins, as if all rows had been counted together."""
    return [a + b for a, b in zip(one, other, strict=True)]
