"""XGBoost's and LightGBM's own files: read, proven, answered as their library does."""

import json

import lightgbm as lgb
import msgspec
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from foretell.errors import ForetellError
from foretell.models.answers import answer_one
from foretell.models.errors import ModelUnusable

from .boosters import (
    EVERY,
    GRAPHS,
    LABELS,
    LIBRARY,
    QUIET,
    ROWS,
    TARGETS,
    lightgbm_model,
    saved,
    scores,
    xgboost_model,
)
from .test_inspecting import Inspect

NAMES = [f"f{n}" for n in range(ROWS.shape[1])]


@pytest.fixture
def inspect(tmp_path):
    return Inspect(tmp_path)


def hard_rows():
    """The rows of the fit, their neighbours, and values that single precision loses."""
    large = np.array([[2.0**24 + 1, 0.0, -0.0, 1e9], [1e30, -1e30, 1e-40, -1e-36]])
    near = np.nextafter(ROWS, np.inf)
    return np.concatenate(
        [ROWS, near, np.float32(ROWS), large, np.full((1, 4), np.nan)]
    )


def answered(predictor, rows):
    return predictor.predict(dict(zip(predictor.columns, rows.T, strict=True)))


def compare(predictor, model, rows, tolerance=1e-6):
    """The answers against the library's own scores."""
    outputs, wanted = answered(predictor, rows), scores(model, rows)
    if outputs.scores is None:
        scale = np.maximum(1, np.abs(wanted))
        assert (np.abs(outputs.predictions - wanted) <= tolerance * scale).all()
    elif isinstance(outputs.scores, list):
        given = np.column_stack([one[:, 1] for one in outputs.scores])
        np.testing.assert_allclose(given, wanted, atol=tolerance)
    elif wanted.ndim == 1 and outputs.scores.shape[1] > 2:
        assert outputs.predictions.tolist() == wanted.tolist()
    elif wanted.ndim == 1:
        np.testing.assert_allclose(outputs.scores[:, 1], wanted, atol=tolerance)
        assert outputs.predictions.tolist() == (wanted > 0.5).astype(int).tolist()
    else:
        np.testing.assert_allclose(outputs.scores, wanted, atol=tolerance)
        assert outputs.predictions.tolist() == wanted.argmax(axis=1).tolist()


@pytest.mark.parametrize("case", EVERY)
def test_a_booster_answers_as_its_library(case, inspect):
    model = EVERY[case]()
    result = inspect(saved(model))
    assert result.flavour == ("xgboost" if case.startswith("xgb") else "lightgbm")
    assert result.safety.outcome == "safe"
    wanted = ("native", False) if case in LIBRARY else ("onnxruntime", True)
    assert (result.engine, result.spec.is_inline) == wanted, result.parity.twins
    predictor = inspect.predictor(result)
    compare(predictor, model, hard_rows())
    one = predictor.predict_one(ROWS[7].tolist())[0]
    assert np.allclose(one, answered(predictor, ROWS[7:8]).predictions[0])


@pytest.mark.parametrize(
    "case", ["xgb binary", "xgb classes", "xgb several", "xgb dart"]
)
def test_json_and_ubjson_make_the_same_version(case, inspect):
    model = EVERY[case]()
    ubj, text = inspect(saved(model)), inspect(saved(model, "json"))
    assert (ubj.twin.sha256, ubj.signature) == (text.twin.sha256, text.signature)


@pytest.mark.parametrize("case", ["xgb classes", "xgb linear", "lgb classes"])
def test_the_library_can_be_asked_for(case, inspect):
    model = EVERY[case]()
    result = inspect(saved(model), engine="native")
    assert (result.engine, result.twin, result.spec.is_inline) == (
        "native",
        None,
        False,
    )
    assert list(result.spec.libraries) == [result.flavour]
    compare(inspect.predictor(result), model, hard_rows(), tolerance=1e-12)


def test_columns_and_classes_come_out_of_the_file(inspect):
    frame = pd.DataFrame(ROWS, columns=["age", "income", "debt", "children"])
    model = xgb.XGBClassifier(n_estimators=5, max_depth=3).fit(frame, LABELS)
    result = inspect(saved(model.get_booster()))
    assert result.signature.names == ("age", "income", "debt", "children")
    assert all(one.nullable for one in result.signature.inputs)
    prediction, probabilities = result.signature.outputs
    assert prediction.values == [0, 1, 2]
    assert probabilities.values == ["0", "1", "2"]
    predictor = inspect.predictor(result)
    answer = answer_one(predictor, *predictor.predict_one(ROWS[3].tolist()))
    assert list(answer["probabilities"]) == ["0", "1", "2"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_whole_numbers_and_booleans_are_typed_by_xgboost(inspect):
    frame = pd.DataFrame({"n": np.arange(300), "flag": LABELS > 0, "x": ROWS[:, 0]})
    model = xgb.XGBRegressor(n_estimators=3).fit(frame, TARGETS["value"])
    result = inspect(saved(model.get_booster()))
    assert [one.type for one in result.signature.inputs] == [
        "integer",
        "boolean",
        "float",
    ]


def test_names_may_be_given_for_a_file_without(inspect):
    for case in ("xgb binary", "lgb binary"):
        result = inspect(saved(EVERY[case]()), names=["a", "b", "c", "d"])
        assert result.signature.names == ("a", "b", "c", "d")


def test_the_versions_are_told_and_a_mismatch_is_named(inspect):
    data = saved(EVERY["xgb binary"](), "json")
    result = inspect(data)
    assert result.libraries["xgboost"].saved == xgb.__version__
    assert result.warnings == []
    document = json.loads(data)
    document["version"] = [2, 0, 3]
    result = inspect(json.dumps(document).encode())
    assert result.libraries["xgboost"].saved == "2.0.3"
    assert f"xgboost 2.0.3, loaded with {xgb.__version__}" in result.warnings[0]
    result = inspect(saved(EVERY["lgb binary"]()))
    assert result.libraries["lightgbm"].installed == lgb.__version__


# Early stopping


def stopped(kind, **options):
    half = len(ROWS) // 2
    model = kind(n_estimators=200, max_depth=3, **options)
    return model, (ROWS[:half], LABELS[:half]), [(ROWS[half:], LABELS[half:])]


def test_a_wrapper_of_xgboost_answers_with_its_best_round(inspect, tmp_path):
    model, train, held = stopped(xgb.XGBClassifier, early_stopping_rounds=3)
    model.fit(*train, eval_set=held, verbose=False)
    model.save_model(tmp_path / "model.ubj")
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    result = inspect((tmp_path / "model.ubj").read_bytes())
    outputs = answered(inspect.predictor(result), ROWS)
    np.testing.assert_allclose(outputs.scores, model.predict_proba(ROWS), atol=1e-6)
    assert outputs.predictions.tolist() == model.predict(ROWS).tolist()


def test_a_plain_booster_answers_with_all_rounds_and_says_so(inspect):
    half = len(ROWS) // 2
    train, held = (
        xgb.DMatrix(ROWS[part], TARGETS["value"][part])
        for part in (slice(half), slice(half, None))
    )
    model = xgb.train(
        {"max_depth": 3}, train, 200, evals=[(held, "held")], early_stopping_rounds=3,
        verbose_eval=False,
    )  # fmt: skip
    result = inspect(saved(model))
    assert f"{model.best_iteration} as its best round" in result.warnings[0]
    compare(inspect.predictor(result), model, ROWS)


def test_lightgbm_keeps_its_best_round_only(inspect):
    model, train, held = stopped(lgb.LGBMClassifier, verbosity=-1)
    model.fit(
        *train,
        eval_X=held[0][0],
        eval_y=held[0][1],
        callbacks=[lgb.early_stopping(3, verbose=False)],
    )
    result = inspect(model.booster_.model_to_string().encode())
    outputs = answered(inspect.predictor(result), ROWS)
    np.testing.assert_allclose(outputs.scores, model.predict_proba(ROWS), atol=1e-6)


# Categories


def categorical_frame():
    city = pd.Categorical(np.array(["Oslo", "Rome", "Kyiv"])[np.arange(300) % 3])
    return pd.DataFrame({"city": city, "x": ROWS[:, 0]})


def test_xgboost_takes_its_categories_by_name(inspect):
    frame = categorical_frame()
    target = TARGETS["value"] + 300 * (frame.city == "Rome").to_numpy()
    model = xgb.XGBRegressor(
        n_estimators=8, enable_categorical=True, max_cat_to_onehot=1
    ).fit(frame, target)
    result = inspect(saved(model.get_booster()))
    city = result.signature.inputs[0]
    assert (city.type, city.values, city.closed) == (
        "text",
        ["Kyiv", "Oslo", "Rome"],
        True,
    )
    assert result.engine == "native"
    predictor = inspect.predictor(result)
    batch = {"city": frame.city.tolist(), "x": frame.x.to_numpy()}
    given = predictor.predict(batch).predictions
    np.testing.assert_allclose(given, model.predict(frame), rtol=1e-6)
    missing = pd.DataFrame({"city": frame.city[:1].cat.set_categories(["Rome"])})
    assert predictor.predict_one([None, 1.0])[0] is not None
    assert len(missing) == 1


def test_lightgbm_takes_its_categories_by_name_and_new_ones_as_missing(inspect):
    frame = categorical_frame()
    target = TARGETS["value"] + 300 * (frame.city == "Rome").to_numpy()
    model = lgb.train(
        {**QUIET, "objective": "regression"}, lgb.Dataset(frame, target), 8
    )
    result = inspect(saved(model))
    city = result.signature.inputs[0]
    assert (city.type, city.values, city.closed) == (
        "text",
        ["Kyiv", "Oslo", "Rome"],
        False,
    )
    assert result.engine == "native"
    predictor = inspect.predictor(result)
    batch = {"city": frame.city.tolist(), "x": frame.x.to_numpy()}
    given = predictor.predict(batch).predictions
    np.testing.assert_allclose(given, model.predict(frame), rtol=1e-12)
    unseen = predictor.predict_one(["Riga", 1.0])[0]
    assert unseen == predictor.predict_one([None, 1.0])[0]


def test_categories_by_number_are_whole_numbers(inspect):
    model = lgb.train(
        {**QUIET, "objective": "regression"},
        lgb.Dataset(ROWS, TARGETS["value"], categorical_feature=[3]),
        8,
    )
    result = inspect(saved(model))
    assert result.signature.inputs[3].type == "integer"
    compare(inspect.predictor(result), model, ROWS, tolerance=1e-12)


def test_zero_and_missing_part_ways_as_in_lightgbm(inspect):
    """Splits at zero with every kind of missing value, told by the file's own bits."""
    for options in ({}, {"use_missing": False}, {"zero_as_missing": True}):
        model = lightgbm_model("value", objective="regression", **options)
        rows = np.repeat([[0.0, -0.0, 1e-36, -1e-36]], 5, axis=0)
        rows[1:, :] = [[np.nan] * 4, [1e-35] * 4, [-1e-35] * 4, [5e-324] * 4]
        compare(inspect.predictor(inspect(saved(model))), model, rows)


# What is not served


def test_what_is_sound_and_not_served_is_told_with_a_way_out(inspect):
    several = xgb.train(
        {"multi_strategy": "multi_output_tree", "tree_method": "hist"},
        xgb.DMatrix(ROWS, TARGETS["several"]),
        3,
    )
    with pytest.raises(ModelUnusable, match="one_output_per_tree"):
        inspect(saved(several))


def test_a_twin_of_every_objective_is_proven_exact(inspect):
    """Nothing in `GRAPHS` leans on the tolerance: the sums themselves agree."""
    for case in ("xgb many rounds", "lgb value", "xgb value"):
        report = inspect(saved(GRAPHS[case]())).parity.twins[-1]
        assert report.accepted
        assert report.largest_difference == 0.0


def test_a_missing_library_names_the_extra(inspect, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "xgboost", None)
    data = saved_xgboost()
    with pytest.raises(ModelUnusable, match=r"foretell\[xgboost\]"):
        inspect(data)


def saved_xgboost():
    return saved(xgboost_model("binary", objective="binary:logistic"))


def test_a_version_that_no_longer_loads_names_the_libraries_that_changed(inspect):
    result = inspect(saved_xgboost(), engine="native")
    then = msgspec.structs.replace(result.spec, libraries={"xgboost": "1.0.0"})
    result = msgspec.structs.replace(result, spec=then)
    assert inspect.predictor(result).predict_one(ROWS[0].tolist())  # a warning only
    inspect.artifact.write_bytes(b"{}")
    with pytest.raises(ForetellError, match=r"uploaded with xgboost 1\.0\.0 \(3\."):
        inspect.predictor(result)
