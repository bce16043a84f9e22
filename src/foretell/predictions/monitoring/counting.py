"""What is counted of the calls of a version; counts of several processes add up."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from foretell.models.baselines import Baseline, Bins, added, place

# Upper ends of the latency bins in seconds, each half as long again as the one before:
# 50 µs to about 50 s.
LATENCY_ENDS = tuple(0.00005 * 1.5**step for step in range(35))


class Counted(msgspec.Struct, omit_defaults=True):
    """Counts of calls of one version, all of which add up.

    Attributes:
        calls: Answered or refused.
        seconds: From body to answer, of all calls that were answered.
        rows: Answered.
        errors: Refused calls by the slug of the problem.
        latencies: Answered calls by `LATENCY_ENDS`, and one bin for what took longer.
        inputs, outputs: For each of the version's bins its counts.
    """

    calls: int = 0
    seconds: float = 0.0
    rows: int = 0
    errors: dict[str, int] = {}
    latencies: list[int] = []
    inputs: list[list[int]] = []
    outputs: list[list[int]] = []

    @property
    def failures(self) -> int:
        """Calls that were refused."""
        return sum(self.errors.values())


def empty(baseline: Baseline) -> Counted:
    """Nothing counted yet, of a version with these bins."""
    return Counted(
        errors={},
        latencies=[0] * (len(LATENCY_ENDS) + 1),
        inputs=[[0] * bins.size for bins in baseline.inputs],
        outputs=[[0] * bins.size for bins in baseline.outputs],
    )


def merged(parts: Iterable[Counted], baseline: Baseline) -> Counted:
    """The counts of all calls of all parts, as if one process had counted them."""
    whole = empty(baseline)
    for part in parts:
        add(whole, part)
    return whole


def added_up(parts: Sequence[Counted]) -> Counted:
    """The counts of some parts, at least one, of a version whose bins nobody needs."""
    whole, *others = parts
    for part in others:
        add(whole, part)
    return whole


def add(whole: Counted, part: Counted) -> None:
    """Count the calls of `part` in `whole` too; both are of one version."""
    whole.calls += part.calls
    whole.seconds += part.seconds
    whole.rows += part.rows
    whole.errors = dict(Counter(whole.errors) + Counter(part.errors))
    whole.latencies = added(whole.latencies, part.latencies)
    for mine, other in ((whole.inputs, part.inputs), (whole.outputs, part.outputs)):
        for index, counts in enumerate(other):
            mine[index] = added(mine[index], counts)


def count_rows(
    bins: Sequence[Bins], rows: Sequence[Mapping[str, Any]], into: list[list[int]]
) -> None:
    """Count the cells of rows into the bins of their columns.

    Args:
        rows: Each has a value for every column; a missing one is None.
    """
    for one, counts in zip(bins, into, strict=True):
        count_values(one, [row[one.name] for row in rows], counts)


def count_values(bins: Bins, values: Iterable[Any], counts: list[int]) -> None:
    """Count the values of one column; a missing one is None."""
    if bins.kind == "number":
        edges = bins.edges
        for value in values:
            counts[-1 if value is None else bisect_left(edges, value)] += 1
        return
    places, other = place(bins.values), len(bins.values)
    for value in values:
        counts[-1 if value is None else places.get(value, other)] += 1
