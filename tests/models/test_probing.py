"""Probe rows go where conversions break, and keep to what the model takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.models.parity import compare
from foretell.models.ports import Hints, Outputs
from foretell.models.probing import Probes, answerable, make_probes
from foretell.models.signature import InputField, Signature, class_name


def signature(*fields):
    return Signature(list(fields), [])


def test_a_threshold_is_probed_on_both_sides_in_both_precisions():
    probes = make_probes(
        signature(InputField("x", "float")), Hints(thresholds={"x": [0.1]})
    )
    values = set(probes.columns["x"])
    assert {0.1, np.nextafter(0.1, 1), np.nextafter(0.1, 0)} <= values
    assert float(np.nextafter(np.float32(0.1), np.float32(1))) in values


def test_missing_values_and_new_categories_are_probed_only_where_taken():
    probes = make_probes(
        signature(
            InputField("a", "float", nullable=True),
            InputField("b", "text", values=["x"], closed=True),
            InputField("c", "text", values=["x"]),
        ),
        Hints(),
    )
    assert None in probes.columns["a"]
    assert set(probes.columns["b"]) == {"x"}
    assert "" in probes.columns["c"]


def test_the_same_model_gets_the_same_rows():
    one = signature(InputField("x", "integer", min=1, max=9))
    assert make_probes(one, Hints()).columns == make_probes(one, Hints()).columns


def test_integers_beyond_single_precision_are_probed():
    probes = make_probes(signature(InputField("n", "integer")), Hints())
    assert 2**24 + 1 in probes.columns["n"]
    assert all(isinstance(value, int) for value in probes.columns["n"])


@given(bad=st.sets(st.integers(0, 39), max_size=5))
def test_rows_the_model_fails_on_are_dropped_one_by_one(bad):
    probes = Probes({"x": list(range(40))}, ["some"] * 40)

    def answer(batch):
        if bad & set(batch["x"]):
            raise ValueError("no")
        return batch["x"]

    left, answers, lost = answerable(probes, answer)
    assert answers == [place for place in range(40) if place not in bad]
    assert len(left.why) == 40 - len(bad)
    assert list(lost) == (["some"] if bad else [])


def test_a_model_that_answers_nothing_says_why():
    def answer(batch):
        raise ValueError("never")

    with pytest.raises(ValueError, match="never"):
        answerable(Probes({"x": [1, 2]}, ["a", "b"]), answer)


PROBES = Probes({"x": [1.0, 2.0]}, ["background", "threshold"])


def test_one_wrong_label_refuses_a_twin_and_the_row_is_shown():
    expected = Outputs(np.array(["a", "b"]), np.array([[0.9, 0.1], [0.4, 0.6]]))
    given_ = Outputs(np.array(["a", "a"]), np.array([[0.9, 0.1], [0.4, 0.6]]))
    report = compare(expected, given_, PROBES, 1e-6)
    assert (report.accepted, report.wrong_labels) == (False, 1)
    assert report.worst is not None
    assert (report.worst.why, report.worst.row) == ("threshold", {"x": 2.0})


@pytest.mark.parametrize(
    ("expected", "got", "accepted"),
    [
        ([1.0, 2.0], [1.0, 2.0 + 1e-7], True),
        ([1.0, 2.0], [1.0, 2.1], False),
        ([1e9, 0.0], [1e9 + 10, 0.0], True),
        ([np.nan, 0.0], [np.nan, 0.0], True),
        ([np.nan, 0.0], [1.0, 0.0], False),
        ([1.0, 0.0], [np.nan, 0.0], False),
        ([np.inf, 0.0], [np.inf, 0.0], True),
    ],
)
def test_values_are_compared_relatively_and_missing_equals_missing(
    expected, got, accepted
):
    report = compare(Outputs(np.array(expected)), Outputs(np.array(got)), PROBES, 1e-6)
    assert report.accepted is accepted


def test_class_names_are_written_as_json_writes_them():
    assert [class_name(one) for one in (True, 3, 1.5, "x")] == ["true", "3", "1.5", "x"]
