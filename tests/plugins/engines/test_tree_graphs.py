"""Our own graphs of trees answer as scikit-learn does, bit for bit or nearly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from foretell.models.ports import CannotConvert
from foretell.plugins.engines.onnx_graphs import check_graph, is_inline_safe
from foretell.plugins.engines.onnxruntime import session
from foretell.plugins.engines.tree_graphs import graph_of, plan_of, serialised

RANDOM = np.random.default_rng(11)
ROWS = RANDOM.normal(0, 3, (200, 3))
ROWS[RANDOM.random(ROWS.shape) < 0.1] = np.nan
SUM = np.nan_to_num(ROWS).sum(axis=1)
LABELS = np.digitize(SUM, [-2, 2])

CLASSIFIERS = [
    DecisionTreeClassifier(max_depth=5).fit(ROWS, LABELS),
    RandomForestClassifier(5).fit(ROWS, LABELS),
    RandomForestClassifier(5).fit(ROWS, LABELS > 0),
    HistGradientBoostingClassifier(max_iter=5).fit(ROWS, LABELS),
    HistGradientBoostingClassifier(max_iter=5).fit(ROWS, LABELS > 0),
    GradientBoostingClassifier(n_estimators=5, loss="exponential").fit(
        np.nan_to_num(ROWS), LABELS > 0
    ),
]
REGRESSORS = [
    DecisionTreeRegressor(max_depth=5).fit(ROWS, SUM),
    DecisionTreeRegressor(max_depth=1).fit(ROWS[:2], [1.0, 1.0]),
    ExtraTreesRegressor(5).fit(ROWS, SUM),
    HistGradientBoostingRegressor(max_iter=5, loss="gamma").fit(ROWS, np.exp(SUM / 9)),
]


def label_of(model):
    return f"{type(model).__name__}-{getattr(model, 'n_classes_', '')}"


def run(model, rows):
    graph = graph_of(plan_of(model), 3)
    check_graph(graph)
    assert is_inline_safe(graph, {"X": 3})
    return session(serialised(graph)).run(None, {"X": rows})


def hard_rows(model):
    """The rows it was fitted on, and each of their neighbours in double precision."""
    rows = np.concatenate([ROWS, np.nextafter(ROWS, np.inf), np.float32(ROWS)])
    if isinstance(model, GradientBoostingClassifier):
        return np.nan_to_num(rows)
    return rows


@pytest.mark.parametrize("model", CLASSIFIERS, ids=label_of)
def test_a_classifier_of_trees_is_written_exactly(model):
    rows = hard_rows(model)
    places, chances = run(model, rows)
    assert model.classes_[places].tolist() == model.predict(rows).tolist()
    np.testing.assert_allclose(chances, model.predict_proba(rows), atol=1e-14)


@pytest.mark.parametrize("model", REGRESSORS, ids=label_of)
def test_a_regressor_of_trees_is_written_exactly(model):
    rows = hard_rows(model)
    (values,) = run(model, rows)
    np.testing.assert_allclose(values[:, 0], model.predict(rows), rtol=1e-13)


@settings(max_examples=25, deadline=None)
@given(
    data=st.lists(
        st.tuples(*[st.one_of(st.floats(-1e30, 1e30), st.just(np.nan))] * 3),
        min_size=1,
        max_size=20,
    )
)
def test_any_row_is_answered_alike(data):
    rows = np.array(data, dtype=np.float64)
    model = CLASSIFIERS[3]
    places, chances = run(model, rows)
    assert model.classes_[places].tolist() == model.predict(rows).tolist()
    np.testing.assert_allclose(chances, model.predict_proba(rows), atol=1e-14)


def test_what_it_cannot_write_it_refuses():
    several = DecisionTreeRegressor().fit(ROWS, np.column_stack([SUM, SUM]))
    with pytest.raises(CannotConvert):
        plan_of(several)
    started = GradientBoostingClassifier(n_estimators=2, init=DecisionTreeClassifier())
    with pytest.raises(CannotConvert):
        plan_of(started.fit(np.nan_to_num(ROWS), LABELS))
