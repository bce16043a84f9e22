"""The bins of example rows."""

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretell.models.baselines import Bins, known_baseline
from foretell.models.baselining import MAX_CATEGORIES, measure, number_bins
from foretell.models.ports import Outputs
from foretell.models.signature import InputField, OutputField, Signature

LABELS = OutputField("prediction", "text", values=["no", "yes"])


def bins_of(field: InputField, column: Any) -> Bins:
    found = measure(
        Signature([field], [LABELS]),
        {field.name: np.asarray(column)},
        ["example"] * len(column),
        Outputs(np.array(["no"] * len(column))),
    )
    (only,) = found.inputs
    return only


def test_a_number_has_a_tenth_of_the_rows_in_each_bin() -> None:
    bins = bins_of(InputField("x", "float"), np.arange(1000.0))
    assert bins.edges == [n * 100 - 1 for n in range(1, 10)]
    assert bins.counts == [100] * 10 + [0]


def test_a_number_with_few_values_has_a_bin_for_each() -> None:
    bins = bins_of(InputField("x", "integer"), [3, 1, 1, 7])
    below = math.nextafter(1, -math.inf)
    assert bins.edges == [below, 1, 3, 7]
    assert bins.counts == [0, 2, 1, 1, 0, 0]


def test_a_constant_notices_what_is_below_and_above() -> None:
    bins = number_bins("x", [5.0] * 9)
    assert bins.edges == [math.nextafter(5, -math.inf), 5.0]
    assert bins.counts == [0, 9, 0, 0]


def test_missing_and_endless_values_are_counted() -> None:
    bins = number_bins("x", [1.0, None, math.nan, math.inf, -math.inf])
    assert bins.counts == [1, 1, 1, 2]
    assert number_bins("x", [None, None]).counts == [0, 2]


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=200))
def test_every_row_is_in_one_bin(column: list[float | None]) -> None:
    bins = number_bins("x", column)
    assert sum(bins.counts) == len(column)
    assert len(bins.counts) == bins.size
    assert bins.edges == sorted(set(bins.edges))
    assert all(math.isfinite(edge) for edge in bins.edges)


def test_a_category_has_a_bin_for_each_value() -> None:
    column = np.array(["b", "a", "b", None, "b"], dtype=object)
    bins = bins_of(InputField("plan", "text", values=["a", "b", "c"]), column)
    assert bins.values == ["b", "a", "c"]
    assert bins.counts == [3, 1, 0, 0, 1]


def test_texts_that_are_no_categories_are_not_kept() -> None:
    names = np.array([f"person {n}" for n in range(MAX_CATEGORIES + 1)], dtype=object)
    bins = bins_of(InputField("name", "text"), names)
    assert bins.values == []
    assert bins.counts == [MAX_CATEGORIES + 1, 0]


def test_texts_that_the_example_has_as_numbers_are_texts() -> None:
    bins = bins_of(InputField("zip", "text", values=["1", "2"]), [1, 2, 2])
    assert dict(zip(bins.values, bins.counts, strict=False)) == {"2": 2, "1": 1}


def test_a_category_that_no_answer_can_hold_is_another_value() -> None:
    column = np.array(["a", "\ud800", "b\x00", "a"], dtype=object)
    bins = bins_of(InputField("plan", "text"), column)
    assert (bins.values, bins.counts) == (["a"], [2, 2, 0])


def test_truths_that_the_example_has_as_texts_are_truths() -> None:
    column = np.array(["True", "False", None, "True"], dtype=object)
    bins = bins_of(InputField("paid", "boolean", nullable=True), column)
    assert (bins.values, bins.counts) == ([True, False], [2, 1, 0, 1])


def test_a_column_of_another_type_is_not_watched() -> None:
    found = measure(
        Signature([InputField("x", "float")], [LABELS]),
        {"x": np.array(["a", "b"], dtype=object)},
        ["example"] * 2,
        Outputs(np.array(["no", "yes"])),
    )
    assert found.inputs == []


def test_outputs_are_those_of_the_example_alone() -> None:
    found = measure(
        Signature([InputField("x", "float")], [LABELS]),
        {"x": np.array([1.0, 2.0])},
        ["example", "edge", "example"],
        Outputs(np.array(["no", "yes", "no"])),
    )
    assert found.outputs[0].counts == [2, 0, 0, 0]
    assert found.outputs[0].values == ["no", "yes"]


def test_without_an_example_a_predicted_number_has_bins_and_no_counts() -> None:
    signature = Signature(
        [InputField("x", "float")], [OutputField("prediction", "float", size=2)]
    )
    truth = Outputs(np.arange(100.0).reshape(50, 2))
    found = measure(signature, {}, ["background"] * 50, truth)
    assert (found.rows, found.inputs) == (0, [])
    assert [one.name for one in found.outputs] == ["prediction_0", "prediction_1"]
    assert all(len(one.edges) == 9 and one.counts == [] for one in found.outputs)


def test_a_version_from_before_there_were_baselines_has_its_classes() -> None:
    found = known_baseline(Signature([], [LABELS]), None)
    assert found.outputs == [Bins("prediction", "category", values=["no", "yes"])]
