"""Conversions that answer without an error, and answer something else.

Each of the seven is shown twice on 2,000 rows: the bare graph of the converter is wrong
on them, and what an upload of the same model is served by is not.
"""

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from foretell.models.inspecting import inspect_artifact
from foretell.models.loading import open_native, open_predictor
from foretell.models.ports import Outputs, Predictor, Terms
from foretell.models.reports import InspectRequest, InspectResult

ROWS = 2_000
TARGET_OPSET = {"": 18, "ai.onnx.ml": 3}
Case = tuple[Any, Any]  # a fitted model, and the rows to ask it


def _random() -> np.random.Generator:
    return np.random.default_rng(11)


def _with_missing(model: Any) -> Case:
    random = _random()
    rows = random.normal(size=(2 * ROWS, 6))
    labels = (rows @ [1.0, -1.0, 0.5, 0.3, 0.0, 0.2] > 0).astype(int)
    rows[random.random(rows.shape) < 0.15] = np.nan
    return model.fit(rows[:ROWS], labels[:ROWS]), rows[ROWS:]


def _near_a_billion(model: Any) -> Case:
    """Integers such as ids and seconds since 1970."""
    rows = 1_000_000_000 + _random().integers(0, 300, (2 * ROWS, 4)).astype(float)
    labels = (rows.sum(axis=1) % 1000 < 500).astype(int)
    return model.fit(rows[:ROWS], labels[:ROWS]), rows[ROWS:]


def _at_thresholds(model: Any, target: Callable[[Any], Any]) -> Case:
    """Asked on the thresholds themselves: between rows, where a tree splits."""
    rows = np.round(_random().normal(50, 20, (ROWS, 3)), 2)
    model.fit(rows, target(rows))
    ordered = np.sort(rows, axis=0)
    between = (ordered[:-1] + ordered[1:]) / 2
    asked = np.vstack([between, np.nextafter(between, np.inf)])
    return model, _random().permutation(asked)[:ROWS]


def _label(rows: Any) -> Any:
    return (rows[:, 0] + rows[:, 1] > 100).astype(int)


WRONG: dict[str, Callable[[], Case]] = {
    "a decision tree fitted with missing values": lambda: _with_missing(
        DecisionTreeClassifier(random_state=0)
    ),
    "a forest fitted with missing values": lambda: _with_missing(
        RandomForestClassifier(20, random_state=0)
    ),
    "extra trees fitted with missing values": lambda: _with_missing(
        ExtraTreesClassifier(20, random_state=0)
    ),
    "histogram boosting on integers near a billion": lambda: _near_a_billion(
        HistGradientBoostingClassifier(max_iter=20, random_state=0)
    ),
    "a scaler and a regression on integers near a billion": lambda: _near_a_billion(
        make_pipeline(StandardScaler(), LogisticRegression())
    ),
    "boosting behind a scaler, at its thresholds": lambda: _at_thresholds(
        make_pipeline(
            make_column_transformer((StandardScaler(), [0, 1, 2])),
            GradientBoostingClassifier(n_estimators=20, random_state=0),
        ),
        _label,
    ),
    "histogram boosting of values, at its thresholds": lambda: _at_thresholds(
        HistGradientBoostingRegressor(max_iter=20, random_state=0),
        lambda rows: rows[:, 0] * 3 + rows[:, 1],
    ),
}
# Beside them: what converts well, and has to stay as it is.
RIGHT: dict[str, Callable[[], Case]] = {
    "histogram boosting fitted with missing values": lambda: _with_missing(
        HistGradientBoostingClassifier(max_iter=20, random_state=0)
    ),
    "an imputer and a regression": lambda: _with_missing(
        make_pipeline(SimpleImputer(), LogisticRegression())
    ),
    "a decision tree on integers near a billion": lambda: _near_a_billion(
        DecisionTreeClassifier(max_depth=6, random_state=0)
    ),
}


def _inspected(model: Any, folder: Path) -> tuple[InspectResult, Predictor]:
    artifact, output = folder / "model.pkl", folder / "out"
    artifact.write_bytes(pickle.dumps(model))
    output.mkdir()
    request = InspectRequest(artifact=str(artifact), output=str(output))
    result = inspect_artifact(request, lambda _progress: None)
    if result.twin is None:
        opened = open_native(
            artifact, result.signature, result.spec, flavour="sklearn", terms=Terms()
        )
        return result, opened
    data = (output / result.twin.name).read_bytes()
    return result, open_predictor(result.spec, result.signature, data)


def _answers(model: Any, rows: Any) -> Outputs:
    scores = model.predict_proba(rows) if hasattr(model, "classes_") else None
    return Outputs(model.predict(rows), scores)


def _converted(model: Any, *arguments: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it hands bits of numpy to protobuf
        return to_onnx(model, *arguments, target_opset=TARGET_OPSET, **options)


def _bare_graph(model: Any, rows: Any) -> Outputs:
    """What the converter's graph in single precision answers, as it comes."""
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    types = [("X", FloatTensorType([None, rows.shape[1]]))]
    graph = _converted(model, initial_types=types, options=options)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    found = session.run(None, {"X": rows.astype(np.float32)})
    return Outputs(found[0].ravel(), found[1] if len(found) > 1 else None)


def _furthest(wanted: Outputs, given: Outputs) -> float:
    """The largest difference of a probability, or of a value beside its size."""
    one = wanted.predictions if wanted.scores is None else wanted.scores
    other = given.predictions if given.scores is None else given.scores
    apart = np.abs(np.asarray(one) - np.asarray(other))
    return float((apart / np.maximum(1.0, np.abs(np.asarray(one)))).max())


@pytest.mark.parametrize("case", WRONG)
def test_the_bare_graph_is_wrong_and_what_is_served_is_not(
    case: str, tmp_path: Path
) -> None:
    model, rows = WRONG[case]()
    wanted = _answers(model, rows)
    assert _furthest(wanted, _bare_graph(model, rows)) > 1e-3
    result, predictor = _inspected(model, tmp_path)
    given = predictor.predict(dict(zip(result.signature.names, rows.T, strict=True)))
    assert result.engine in ("onnxruntime", "linear")
    assert _furthest(wanted, given) <= 1e-9
    if wanted.scores is not None:
        assert given.predictions.tolist() == wanted.predictions.tolist()


@pytest.mark.parametrize("case", RIGHT)
def test_what_converts_well_is_served_by_an_engine(case: str, tmp_path: Path) -> None:
    model, rows = RIGHT[case]()
    wanted = _answers(model, rows)
    result, predictor = _inspected(model, tmp_path)
    given = predictor.predict(dict(zip(result.signature.names, rows.T, strict=True)))
    assert result.engine in ("onnxruntime", "linear")
    assert given.predictions.tolist() == wanted.predictions.tolist()
    assert _furthest(wanted, given) <= 1e-6


CITIES = np.array(["Oslo", "Rome", "Kyiv", "Lima"])
ENCODERS = {
    "one hot, unseen": OneHotEncoder(handle_unknown="ignore"),
    "one hot, infrequent": OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=200
    ),
    "ordinal, unseen": OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1
    ),
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_texts_that_were_never_seen_are_answered_as_the_model_does(
    encoder: str, tmp_path: Path
) -> None:
    random = _random()
    frame = pd.DataFrame(
        {
            "city": random.choice(CITIES, ROWS, p=[0.4, 0.4, 0.15, 0.05]),
            "size": random.normal(size=ROWS),
        }
    )
    columns = make_column_transformer(
        (ENCODERS[encoder], ["city"]), remainder="passthrough"
    )
    labels = np.where((frame["city"] == "Oslo") ^ (frame["size"] > 0.5), "yes", "no")
    model = make_pipeline(columns, LogisticRegression()).fit(frame, labels)
    asked = frame.assign(city=random.choice([*CITIES, "Baku", ""], ROWS))
    result, predictor = _inspected(model, tmp_path)
    given = predictor.predict({str(name): asked[name].tolist() for name in asked})
    # Infrequent categories have no graph that is right: the model itself stays.
    is_rare = encoder == "one hot, infrequent"
    assert result.engine == ("native" if is_rare else "onnxruntime")
    assert given.predictions.tolist() == model.predict(asked).tolist()
    assert _furthest(_answers(model, asked), given) <= 1e-6


PLAIN = {
    "LogisticRegression": LogisticRegression(max_iter=5000),
    "RandomForest": RandomForestClassifier(51, random_state=0),  # no tie of votes
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=30, random_state=0),
    "GradientBoosting": GradientBoostingClassifier(n_estimators=30, random_state=0),
    "scaler and regression": make_pipeline(StandardScaler(), LogisticRegression()),
}


@pytest.mark.parametrize("name", PLAIN)
def test_the_graph_of_a_plain_model_is_served_as_the_model_is(
    name: str, tmp_path: Path
) -> None:
    """The same model uploaded twice, as a pickle and as what skl2onnx makes of it."""
    data, target = load_breast_cancer(return_X_y=True)
    rows = data.astype(np.float32).astype(np.float64)
    model = PLAIN[name].fit(rows[::2], target[::2])
    # Trees have graphs in single precision only, and their answers are that exact.
    is_linear = "egression" in name
    example = rows[:1].astype(np.float64 if is_linear else np.float32)
    graph = _converted(model, example, options={"zipmap": False})
    served = []
    for place, content in enumerate([pickle.dumps(model), graph.SerializeToString()]):
        artifact, output = tmp_path / f"model{place}", tmp_path / f"out{place}"
        artifact.write_bytes(content)
        output.mkdir()
        request = InspectRequest(artifact=str(artifact), output=str(output))
        result = inspect_artifact(request, lambda _progress: None)
        assert result.twin is not None
        twin = (output / result.twin.name).read_bytes()
        predictor = open_predictor(result.spec, result.signature, twin)
        held_out = rows[1::2].T
        batch = dict(zip(result.signature.names, held_out, strict=True))
        served.append(predictor.predict(batch))
    of_the_pickle, of_the_graph = served
    assert of_the_pickle.predictions.tolist() == of_the_graph.predictions.tolist()
    assert _furthest(of_the_pickle, of_the_graph) <= 1e-6
    assert _furthest(_answers(model, rows[1::2]), of_the_graph) <= 1e-6
