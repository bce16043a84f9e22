"""What an upload becomes: signature, safety, a proven twin, answers by class."""

import io
import json
import pickle
from pathlib import Path

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from sklearn.cluster import DBSCAN
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from foretell.errors import TooLarge
from foretell.models.answers import answer_one, answers
from foretell.models.errors import (
    ExampleUnreadable,
    ModelRefused,
    ModelUnreadable,
    ModelUnusable,
)
from foretell.models.inspecting import inspect_artifact
from foretell.models.loading import open_native, open_predictor
from foretell.models.ports import CannotConvert, Terms
from foretell.models.reports import InspectProgress, InspectRequest, InspectResult
from foretell.plugins.estimators.trees import all_parts

from .custom import Threshold

X, y = load_iris(return_X_y=True)
RANDOM = np.random.default_rng(7)
FRAME = pd.DataFrame(
    {
        "age": RANDOM.integers(18, 80, 300),
        "income": RANDOM.normal(50_000, 9_000, 300),
        "city": RANDOM.choice(["Oslo", "Rome", "Kyiv"], 300),
    }
)
BUYS = np.where(FRAME.income + 400 * FRAME.age > 68_000, "yes", "no")


class Inspect:
    """Inspects bytes as an upload; keeps the folder for the twin."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.artifact = folder / "artifact"
        self.output = folder / "output"
        self.output.mkdir()
        self.steps: list[str] = []

    def __call__(self, data, **options) -> InspectResult:
        if not isinstance(data, bytes):
            data = pickle.dumps(data)
        self.artifact.write_bytes(data)
        request = InspectRequest(str(self.artifact), str(self.output), **options)
        return inspect_artifact(request, self.note)

    def note(self, progress: InspectProgress) -> None:
        self.steps.append(progress.step)

    def example(self, frame: pd.DataFrame) -> str:
        path = self.folder / "example.csv"
        frame.to_csv(path, index=False)
        return str(path)

    def predictor(self, result: InspectResult):
        if result.twin is None:
            return open_native(
                self.artifact,
                result.signature,
                result.spec,
                flavour=result.flavour,
                terms=Terms(),
            )
        data = (self.output / result.twin.name).read_bytes()
        return open_predictor(result.spec, result.signature, data)


@pytest.fixture
def inspect(tmp_path):
    return Inspect(tmp_path)


def mixed(final):
    columns = make_column_transformer(
        (StandardScaler(), ["age", "income"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
    )
    return make_pipeline(columns, final).fit(FRAME, BUYS)


def rows(matrix):
    return {f"x{i}": column for i, column in enumerate(np.asarray(matrix).T)}


def test_a_pipeline_of_numbers_and_text_tells_its_columns(inspect):
    result = inspect(mixed(LogisticRegression()), example=inspect.example(FRAME))
    age, income, city = result.signature.inputs
    assert (age.name, age.type, age.min, age.max) == (
        "age",
        "integer",
        FRAME.age.min(),
        FRAME.age.max(),
    )
    assert (income.type, city.type) == ("float", "text")
    assert city.values == ["Kyiv", "Oslo", "Rome"]
    assert not city.closed
    prediction, probabilities = result.signature.outputs
    assert (prediction.type, prediction.values) == ("text", ["no", "yes"])
    assert probabilities.values == ["no", "yes"]


def test_an_encoder_that_fails_on_new_categories_closes_the_list(inspect):
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"])), LogisticRegression()
    )
    result = inspect(model.fit(FRAME[["city"]], BUYS))
    assert result.signature.inputs[0].closed
    assert result.engine == "onnxruntime"


def test_a_model_without_names_has_x0_x1(inspect):
    result = inspect(GaussianNB().fit(X, y))
    assert result.signature.names == ("x0", "x1", "x2", "x3")


def test_names_may_be_given_for_a_model_without(inspect):
    result = inspect(GaussianNB().fit(X, y), names=["a", "b", "c", "d"])
    assert result.signature.names == ("a", "b", "c", "d")


def test_a_text_model_takes_one_column_of_text(inspect):
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model.fit(["good thing", "bad thing"], ["p", "n"])
    result = inspect(model)
    assert [(one.name, one.type) for one in result.signature.inputs] == [("x0", "text")]
    predictor = inspect.predictor(result)
    assert predictor.predict_one(["a good day"])[0] == "p"


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=2000),
        RandomForestClassifier(20),
        ExtraTreesClassifier(20),
        GradientBoostingClassifier(n_estimators=10),
        HistGradientBoostingClassifier(max_iter=10),
        KNeighborsClassifier(),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("target", ["int", "text", "bool"])
def test_the_engine_answers_as_the_model(model, target, inspect):
    labels = {"int": y, "text": np.array(["a", "b", "c"])[y], "bool": y == 1}[target]
    model.fit(X, labels)
    predictor = inspect.predictor(inspect(model))
    outputs = predictor.predict(rows(X))
    assert outputs.predictions.tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(outputs.scores, model.predict_proba(X), atol=1e-6)
    label, scores = predictor.predict_one(X[60].tolist())
    assert label == model.predict(X[60:61]).tolist()[0]
    assert type(label) is type(labels[0].item())
    np.testing.assert_allclose(scores, model.predict_proba(X[60:61])[0], atol=1e-6)


def test_probabilities_are_given_by_class_name(inspect):
    result = inspect(LogisticRegression(max_iter=2000).fit(X, y))
    predictor = inspect.predictor(result)
    answer = answer_one(predictor, *predictor.predict_one(X[0].tolist()))
    assert answer["prediction"] == 0
    assert list(answer["probabilities"]) == ["0", "1", "2"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    json.dumps(answers(predictor, predictor.predict(rows(X[:3]))))


def test_a_regressor_answers_a_value(inspect):
    model = LinearRegression().fit(X, y * 1.5)
    predictor = inspect.predictor(inspect(model))
    answer = answer_one(predictor, *predictor.predict_one(X[0].tolist()))
    assert answer == {"prediction": pytest.approx(model.predict(X[:1])[0])}


def test_a_classifier_without_probabilities_answers_its_decision(inspect):
    model = SVC().fit(X, y)
    predictor = inspect.predictor(inspect(model))
    answer = answer_one(predictor, *predictor.predict_one(X[0].tolist()))
    assert answer["prediction"] == 0
    assert list(answer["decision"]) == ["0", "1", "2"]
    two = SVC().fit(X, y == 1)
    predictor = inspect.predictor(inspect(two))
    answer = answer_one(predictor, *predictor.predict_one(X[60].tolist()))
    assert answer["prediction"] is True
    assert answer["decision"] == pytest.approx(two.decision_function(X[60:61])[0])


def test_several_outputs_are_lists(inspect):
    model = KNeighborsClassifier().fit(X, np.column_stack([y, y > 0]))
    predictor = inspect.predictor(inspect(model))
    answer = answers(predictor, predictor.predict(rows(X[60:61])))[0]
    assert answer["prediction"] == [1, 1]
    assert [list(one) for one in answer["probabilities"]] == [
        ["0", "1", "2"],
        ["0", "1"],
    ]
    values = LinearRegression().fit(X, np.column_stack([y, y * 2.0]))
    predictor = inspect.predictor(inspect(values))
    assert len(predictor.predict_one(X[0].tolist())[0]) == 2


def test_joblib_compressed_is_taken_whatever_its_name(inspect):
    buffer = io.BytesIO()
    joblib.dump(mixed(RandomForestClassifier(10)), buffer, compress=3)
    result = inspect(buffer.getvalue(), filename="model.txt")
    assert (result.flavour, result.safety.compression) == ("sklearn", "zlib")
    assert result.safety.outcome == "gated"
    assert (result.engine, result.spec.is_inline) == ("onnxruntime", True)


def test_the_version_it_was_saved_with_is_told_and_warned_about(inspect):
    data = pickle.dumps(DecisionTreeClassifier().fit(X, y), 4)
    result = inspect(data.replace(b"1.9.1", b"1.4.2"))
    assert result.libraries["scikit-learn"].saved == "1.4.2"
    assert "1.4.2" in result.warnings[0]


def test_the_result_crosses_a_process_boundary_whole(inspect):
    result = inspect(mixed(LogisticRegression()))
    data = msgspec.msgpack.encode(result)
    assert msgspec.msgpack.decode(data, type=InspectResult) == result
    assert inspect.steps[:4] == ["gate", "load", "probe", "convert"]


# The conversions that facts from the field show to be silently wrong.


def with_missing(model):
    holes = X.copy()
    holes[RANDOM.random(X.shape) < 0.15] = np.nan
    return model.fit(holes, y)


def with_big_integers(model):
    data = load_breast_cancer(return_X_y=True)[0][:, :4]
    big = 1_000_000_000 + np.round(data * 3)
    return model.fit(big, (big[:, 0] % 7 < 3).astype(int))


def scaled_threshold():
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["age", "income"])),
        GradientBoostingClassifier(n_estimators=20),
    )
    return model.fit(FRAME, BUYS)


WRONG = {
    "decision tree with missing values": lambda: with_missing(DecisionTreeClassifier()),
    "forest with missing values": lambda: with_missing(RandomForestClassifier(20)),
    "extra trees with missing values": lambda: with_missing(ExtraTreesClassifier(20)),
    "histogram boosting near 1e9": lambda: with_big_integers(
        HistGradientBoostingClassifier(max_iter=20)
    ),
    "scaled boosting at a threshold": scaled_threshold,
    "scaled regression near 1e9": lambda: with_big_integers(
        make_pipeline(StandardScaler(), LogisticRegression())
    ),
    "histogram boosting at a threshold": lambda: HistGradientBoostingClassifier(
        max_iter=10
    ).fit(X, y),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_conversion_that_is_silently_wrong_is_refused(case, inspect, monkeypatch):
    """With nothing but skl2onnx's single-precision graph to try, native stays."""
    from foretell.plugins.engines import onnx_twins
    from foretell.plugins.engines.linear import LinearEngine
    from foretell.plugins.engines.onnxruntime import OnnxRuntimeEngine

    monkeypatch.setattr(LinearEngine, "candidates", lambda self, model: iter(()))

    def only_single(_engine, model):
        try:
            yield onnx_twins.skl2onnx_twin(model, "float")
        except CannotConvert as refusal:
            yield refusal

    monkeypatch.setattr(OnnxRuntimeEngine, "candidates", only_single)
    result = inspect(WRONG[case]())
    assert result.engine == "native"
    report = result.parity.twins[-1]
    assert not report.accepted
    if "splits into missing values" in (report.reason or ""):
        return  # the converter would not end
    assert report.rows_off > 0
    assert report.worst is not None


@pytest.mark.parametrize("case", WRONG)
def test_our_own_twin_of_such_a_model_is_exact(case, inspect):
    result = inspect(WRONG[case]())
    assert result.engine in ("onnxruntime", "linear")
    assert result.parity.twins[-1].largest_difference < 1e-7
    assert result.spec.is_inline


def test_trees_that_split_on_missing_alone_do_not_hang_the_converter(inspect):
    holes = X[:, :1].copy()
    holes[y == 1] = np.nan
    model = BaggingClassifier(n_estimators=3, random_state=0).fit(holes, y)
    result = inspect(model)
    assert result.engine == "native"
    reasons = [twin.reason or "" for twin in result.parity.twins]
    assert any("splits into missing values" in reason for reason in reasons)


def test_every_tree_of_a_large_forest_is_looked_at():
    model = RandomForestClassifier(60, max_depth=2).fit(X, y)
    assert sum(hasattr(part, "tree_") for part in all_parts(model)) == 60


def test_native_can_be_forced(inspect):
    result = inspect(GaussianNB().fit(X, y), engine="native")
    assert (result.engine, result.twin, result.spec.is_inline) == (
        "native",
        None,
        False,
    )
    predictor = inspect.predictor(result)
    assert predictor.predict_one(X[0].tolist())[0] == 0


def test_an_engine_that_cannot_be_had_is_refused_with_the_reason(inspect):
    with pytest.raises(ModelUnusable, match="linear"):
        inspect(GaussianNB().fit(X, y), engine="linear")


# ONNX artifacts


def test_the_onnx_twin_of_a_model_answers_as_the_model(inspect):
    model = LogisticRegression(max_iter=2000).fit(X, y)
    graph = to_onnx(model, X[:1].astype(np.float32))  # with a ZipMap at its end
    result = inspect(graph.SerializeToString(), filename="model.onnx")
    assert (result.flavour, result.safety.outcome) == ("onnx", "safe")
    assert result.signature.names == ("x0", "x1", "x2", "x3")
    predictor = inspect.predictor(result)
    single = X.astype(np.float32)
    outputs = predictor.predict(rows(single))
    assert outputs.predictions.tolist() == model.predict(single).tolist()
    np.testing.assert_allclose(outputs.scores, model.predict_proba(single), atol=2e-6)


def test_an_onnx_graph_with_a_tensor_per_column_keeps_their_names(inspect):
    graph = to_onnx(
        mixed(LogisticRegression()),
        FRAME[:1].astype({"income": "float32"}),
        options={"zipmap": False},
    )
    result = inspect(graph.SerializeToString())
    kinds = [(one.name, one.type) for one in result.signature.inputs]
    assert kinds == [("age", "integer"), ("income", "float"), ("city", "text")]
    predictor = inspect.predictor(result)
    assert predictor.predict_one([70, 90_000.0, "Rome"])[0] == "yes"


# Refusals


def test_a_hostile_pickle_is_refused_with_the_name_and_runs_nothing(inspect, tmp_path):
    marker = tmp_path / "pwned.txt"
    data = b"cposix\nsystem\n(Vtouch " + str(marker).encode() + b"\ntR."
    with pytest.raises(ModelRefused, match=r"posix\.system") as refusal:
        inspect(data)
    assert refusal.value.context["safety"]["outcome"] == "hostile"
    with pytest.raises(ModelRefused):
        inspect(data, trust=True, allow=["posix"])
    assert not marker.exists()


def test_a_class_from_a_notebook_is_named_with_the_way_out(inspect):
    data = pickle.dumps(GaussianNB().fit(X, y), 0)
    data = data.replace(b"csklearn.naive_bayes\nGaussianNB", b"c__main__\nClip")
    with pytest.raises(ModelRefused, match=r"__main__\.Clip.*PICKLE_ALLOW") as refusal:
        inspect(data)
    assert refusal.value.context["safety"]["outcome"] == "unknown"


def test_a_class_of_a_listed_package_is_served_by_the_model_itself(inspect):
    data = pickle.dumps(Threshold(5.0).fit(X, y))
    with pytest.raises(ModelRefused, match="PICKLE_ALLOW=tests"):
        inspect(data)
    result = inspect(data, allow=["tests.models.custom"])
    assert (result.engine, result.safety.outcome) == ("native", "gated")
    assert inspect(data, trust=True).safety.outcome == "unknown"


def test_a_listed_package_gives_only_its_own_classes(inspect, tmp_path):
    marker = tmp_path / "marker"
    data = b"ctests.models.custom\nleak\n(Vtouch " + str(marker).encode() + b"\ntR."
    with pytest.raises(ModelUnreadable, match="not a class of its package"):
        inspect(data, allow=["tests.models.custom"])
    assert not marker.exists()


def test_pickles_can_be_forbidden(inspect):
    with pytest.raises(ModelRefused, match="PICKLE=forbid"):
        inspect(GaussianNB().fit(X, y), pickle="forbid")


def test_a_damaged_tree_is_refused_before_it_predicts(inspect):
    model = DecisionTreeClassifier().fit(X, y)
    state = model.tree_.__getstate__()
    state["nodes"]["left_child"][0] = 1_000_000
    model.tree_.__setstate__(state)
    with pytest.raises(ModelUnusable, match="does not exist"):
        inspect(model)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x08\x07\x12\x04skl2", "cut off"),
        (b"", "empty"),
        (b"hello", "neither"),
        (b"PK\x03\x04...", "zip"),
        (b'{"learner": 1}', "JSON"),
    ],
)
def test_what_is_not_a_model_is_named(data, words, inspect):
    with pytest.raises(ModelUnreadable, match=words):
        inspect(data)


def test_what_says_nothing_about_a_row_is_refused(inspect):
    with pytest.raises(ModelUnusable, match=r"DBSCAN.*groups only"):
        inspect(DBSCAN().fit(X))
    with pytest.raises(ModelUnusable, match="dict"):
        inspect({"model": 1})


def test_a_file_over_the_limit_is_not_opened(inspect):
    with pytest.raises(TooLarge):
        inspect(GaussianNB().fit(X, y), max_bytes=10)


def test_an_unreadable_example_is_told(inspect, tmp_path):
    path = tmp_path / "example.json"
    path.write_bytes(b"{broken")
    with pytest.raises(ExampleUnreadable):
        inspect(GaussianNB().fit(X, y), example=str(path))


@pytest.mark.parametrize("form", ["csv", "json", "ndjson", "rows", "parquet"])
def test_example_rows_are_read_in_every_form(form, inspect, tmp_path):
    path = tmp_path / "example"
    records = FRAME.to_dict("records")
    if form == "csv":
        FRAME.to_csv(path, index=False)
    elif form == "parquet":
        FRAME.to_parquet(path)
    elif form == "ndjson":
        path.write_text("\n".join(json.dumps(record) for record in records))
    else:
        path.write_text(json.dumps(records if form == "json" else {"rows": records}))
    result = inspect(mixed(LogisticRegression()), example=str(path))
    assert [one.type for one in result.signature.inputs] == ["integer", "float", "text"]
    assert result.parity.probes["example"] == 300
