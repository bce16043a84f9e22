"""XGBClassifier, LGBMClassifier and their kin in pickles: checked, proven, served."""

import io
import pickle
from typing import Any

import joblib
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from foretell.models.errors import ModelRefused, ModelUnreadable, ModelUnusable

from .boosters import LABELS, ROWS, TARGETS
from .gate.test_gate_admits import refusals
from .test_inspecting import Inspect

WORDS = np.array(["low", "mid", "high"])[LABELS]
FILLED = np.nan_to_num(ROWS)
SMALL: dict[str, Any] = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1}
MODELS = {
    "xgb classifier": lambda: xgb.XGBClassifier(**SMALL).fit(ROWS, LABELS),
    "xgb binary": lambda: xgb.XGBClassifier(**SMALL).fit(ROWS, LABELS > 0),
    "xgb regressor": lambda: xgb.XGBRegressor(**SMALL).fit(ROWS, TARGETS["value"]),
    "xgb forest": lambda: xgb.XGBRFClassifier(**SMALL).fit(ROWS, LABELS),
    "xgb ranker": lambda: xgb.XGBRanker(**SMALL).fit(
        ROWS, LABELS, qid=np.repeat(np.arange(30), 10)
    ),
    "xgb several": lambda: xgb.XGBRegressor(**SMALL).fit(ROWS, TARGETS["several"]),
    "xgb early": lambda: xgb.XGBClassifier(
        n_estimators=100, early_stopping_rounds=3
    ).fit(
        ROWS[:150], LABELS[:150], eval_set=[(ROWS[150:], LABELS[150:])], verbose=False
    ),
    "lgb classifier": lambda: lgb.LGBMClassifier(**SMALL, verbosity=-1).fit(
        ROWS, WORDS
    ),
    "lgb binary": lambda: lgb.LGBMClassifier(**SMALL, verbosity=-1).fit(
        ROWS, LABELS > 0
    ),
    "lgb regressor": lambda: lgb.LGBMRegressor(**SMALL, verbosity=-1).fit(
        ROWS, TARGETS["value"]
    ),
    "lgb ranker": lambda: lgb.LGBMRanker(**SMALL, verbosity=-1).fit(
        ROWS, LABELS, group=[10] * 30
    ),
    "lgb early": lambda: lgb.LGBMClassifier(n_estimators=100, verbosity=-1).fit(
        ROWS[:150],
        LABELS[:150],
        eval_X=ROWS[150:],
        eval_y=LABELS[150:],
        callbacks=[lgb.early_stopping(3, verbose=False)],
    ),
    "xgb in a pipeline": lambda: make_pipeline(
        SimpleImputer(), StandardScaler(), xgb.XGBClassifier(**SMALL)
    ).fit(ROWS, LABELS),
    "lgb in a pipeline": lambda: make_pipeline(
        StandardScaler(), lgb.LGBMClassifier(**SMALL, verbosity=-1)
    ).fit(ROWS, WORDS),
}


@pytest.fixture
def inspect(tmp_path):
    return Inspect(tmp_path)


@pytest.mark.parametrize("case", MODELS)
def test_a_pickled_booster_answers_as_it_did(case, inspect):
    model = MODELS[case]()
    result = inspect(model)
    assert (result.flavour, result.safety.outcome) == ("sklearn", "gated")
    assert result.engine in ("onnxruntime", "native")
    if "pipeline" not in case:  # there single precision comes after the scaling
        assert result.engine == "onnxruntime", result.parity.twins
    outputs = inspect.predictor(result).predict(
        {f"x{n}": column for n, column in enumerate(ROWS.T)}
        if result.signature.names[0] == "x0"
        else dict(zip(result.signature.names, ROWS.T, strict=True))
    )
    wanted = model.predict(ROWS)
    if hasattr(model, "predict_proba"):
        assert outputs.predictions.tolist() == wanted.tolist()
        np.testing.assert_allclose(outputs.scores, model.predict_proba(ROWS), atol=1e-6)
    else:
        np.testing.assert_allclose(outputs.predictions, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", ["xgb classifier", "lgb classifier", "lgb early"])
def test_every_packing_passes_the_gate(case, tmp_path):
    assert refusals(MODELS[case](), tmp_path) == {}


def test_names_of_the_columns_stay(inspect):
    frame = pd.DataFrame(ROWS, columns=["age", "income", "debt", "children"])
    for kind in (xgb.XGBClassifier(**SMALL), lgb.LGBMClassifier(**SMALL, verbosity=-1)):
        result = inspect(kind.fit(frame, LABELS))
        assert result.signature.names == tuple(frame.columns)
        assert inspect.predictor(result).predict_one(FILLED[0].tolist())


@pytest.mark.parametrize("case", ["xgb classifier", "lgb classifier"])
def test_the_model_itself_can_be_asked_for(case, inspect):
    model = MODELS[case]()
    result = inspect(model, engine="native")
    library = "xgboost" if case.startswith("xgb") else "lightgbm"
    assert library in result.spec.libraries
    predictor = inspect.predictor(result)
    batch = dict(zip(result.signature.names, ROWS.T, strict=True))
    np.testing.assert_allclose(
        predictor.predict(batch).scores, model.predict_proba(ROWS), atol=1e-12
    )


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_damaged_buffer_is_refused_before_the_library_reads_it(library, inspect):
    model = MODELS[f"{library[:3]} classifier".replace("lig", "lgb")]()
    data = pickle.dumps(model, 5)
    if library == "xgboost":
        start = data.index(b"left_children[$l#L") + 18 + 8
        data = data[:start] + b"\x7f\xff\xff\xff" + data[start + 4 :]
    else:
        start = data.index(b"left_child=") + len(b"left_child=")
        data = data[:start] + b"9" + data[start + 1 :]
    with pytest.raises((ModelUnreadable, ModelUnusable), match="damaged"):
        inspect(data)


def test_a_bare_booster_in_a_pickle_is_sent_to_its_own_file(inspect):
    with pytest.raises(ModelUnusable, match="save_model"):
        inspect(MODELS["xgb classifier"]().get_booster())
    with pytest.raises(ModelUnusable, match="save_model"):
        inspect(MODELS["lgb classifier"]().booster_)


def test_an_unfitted_wrapper_is_refused(inspect):
    for kind in (xgb.XGBClassifier(), lgb.LGBMClassifier()):
        with pytest.raises(ModelUnusable):
            inspect(kind)


def test_without_the_library_the_refusal_names_the_extra(inspect, monkeypatch):
    import sys

    from foretell.models.gate import allow

    data = pickle.dumps(MODELS["xgb classifier"]())
    for name in [name for name in sys.modules if name.split(".")[0] == "xgboost"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    allow.use_of.cache_clear()
    try:
        with pytest.raises(ModelRefused, match=r"foretell\[xgboost\]"):
            inspect(data)
    finally:
        allow.use_of.cache_clear()


def test_joblib_packed_with_lz4_is_taken(inspect):
    buffer = io.BytesIO()
    joblib.dump(MODELS["lgb classifier"](), buffer, compress=("lz4", 3))
    result = inspect(buffer.getvalue())
    assert result.safety.compression == "lz4"
