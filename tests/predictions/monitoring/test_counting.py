"""Counts of parts add up to the counts of the whole."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretell.models.baselines import Baseline, Bins
from foretell.predictions.monitoring.counting import (
    Counted,
    add,
    added_up,
    count_rows,
    empty,
    merged,
)
from foretell.predictions.monitoring.summaries import percentile

BASELINE = Baseline(
    4,
    [
        Bins("n", "number", edges=[-1.0, 0.0, 2.5], counts=[1, 1, 1, 1, 0]),
        Bins("c", "category", values=["a", "b"], counts=[2, 1, 1, 0]),
    ],
    [Bins("prediction", "category", values=[True, False], counts=[2, 2, 0, 0])],
)
CELL = st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-5, 5))
ROWS = st.lists(
    st.fixed_dictionaries({"n": CELL, "c": st.sampled_from(["a", "b", "z", "", None])}),
    max_size=40,
)


def counted(rows: Sequence[dict[str, Any]]) -> Counted:
    found = empty(BASELINE)
    count_rows(BASELINE.inputs, rows, found.inputs)
    found.calls = found.rows = len(rows)
    found.errors = {"rows-invalid": 1} if len(rows) % 2 else {}
    return found


@given(ROWS, st.lists(st.integers(0, 40), max_size=4))
def test_counting_parts_and_adding_up_is_counting_the_whole(
    rows: list[dict[str, Any]], cuts: list[int]
) -> None:
    ends = [0, *sorted(cuts), len(rows)]
    parts = [rows[a:b] for a, b in pairwise(ends)]
    whole = counted(rows)
    errors = sum(len(part) % 2 for part in parts)
    for found in (
        merged((counted(part) for part in parts), BASELINE),
        added_up([counted(part) for part in parts]),
        added_up([counted(part) for part in reversed(parts)]),
    ):
        assert found.inputs == whole.inputs
        assert (found.calls, found.rows) == (whole.calls, whole.rows)
        assert found.failures == errors


@given(st.lists(CELL, max_size=50))
def test_numbers_fall_where_numpy_puts_them(values: list[float | None]) -> None:
    found = empty(BASELINE)
    rows = [{"n": value, "c": None} for value in values]
    count_rows(BASELINE.inputs, rows, found.inputs)
    there = [value for value in values if value is not None]
    places = np.searchsorted([-1.0, 0.0, 2.5], np.array(there, float), side="left")
    counts = np.bincount(places, minlength=4).tolist()
    assert found.inputs[0] == [*counts, len(values) - len(there)]


def test_a_value_nobody_knows_and_a_missing_one_have_bins_of_their_own() -> None:
    found = counted([{"n": None, "c": "z"}, {"n": 3, "c": None}])
    assert found.inputs == [[0, 0, 0, 1, 1], [0, 0, 1, 1]]


def test_adding_changes_the_first_alone() -> None:
    one, other = counted([{"n": 1, "c": "a"}]), counted([{"n": 1, "c": "a"}])
    add(one, other)
    add(one, other)
    assert one.calls == 3
    assert other.calls == 1
    assert other.inputs == counted([{"n": 1, "c": "a"}]).inputs


def test_a_percentile_lies_within_its_bin() -> None:
    found = empty(BASELINE)
    found.latencies[3] = 100  # above 0.11 ms, at most 0.17 ms
    for share in (0.01, 0.5, 0.99):
        milliseconds = percentile(found.latencies, share)
        assert milliseconds is not None
        assert 0.1125 <= milliseconds <= 0.16875
    assert percentile(empty(BASELINE).latencies, 0.5) is None
