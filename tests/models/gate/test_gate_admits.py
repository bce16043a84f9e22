"""Every honest model passes the gate, in every packing."""

import io
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.compose import (
    ColumnTransformer,
    make_column_selector,
    make_column_transformer,
)
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from .test_gate_refuses import judged

PROTOCOLS = [1, 2, 3, 4, 5]
PACKINGS = [0, 3, *((name, 3) for name in ("zlib", "gzip", "bz2", "lzma", "xz"))]

X, y = load_iris(return_X_y=True)
FRAME = pd.DataFrame({"a": X[:, 0], "n": np.arange(150), "c": ["x", "y", "z"] * 50})


def packings(model):
    for protocol in PROTOCOLS:
        yield f"pickle {protocol}", pickle.dumps(model, protocol)
    for compress in PACKINGS:
        buffer = io.BytesIO()
        joblib.dump(model, buffer, compress=compress)
        yield f"joblib {compress}", buffer.getvalue()
    for protocol in (2, 4):
        buffer = io.BytesIO()
        joblib.dump(model, buffer, protocol=protocol)
        yield f"joblib protocol {protocol}", buffer.getvalue()


def refusals(model, folder):
    """How the gate refuses a model, in each packing; nothing for an honest one."""
    found = {}
    for packing, data in packings(model):
        verdict = judged(data, folder)
        if not verdict.is_admitted:
            found[packing] = [reason.message for reason in verdict.reasons]
    return found


def pipelines():
    numbers, texts = FRAME.select_dtypes("number").columns, FRAME.columns[2:]
    columns = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("c", OneHotEncoder(handle_unknown="ignore"), texts),
        ]
    )
    yield "columns by a pandas index", make_pipeline(
        columns, LogisticRegression()
    ), FRAME
    picked = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OrdinalEncoder(), ["c"]),
        remainder="passthrough",
    )
    yield "columns by a selector", make_pipeline(
        picked, DecisionTreeClassifier()
    ), FRAME
    ufunc = FunctionTransformer(np.log1p, inverse_func=np.expm1)
    yield "a ufunc", make_pipeline(ufunc, SelectKBest(f_classif, k=2), SVC()), X
    union = make_union(StandardScaler(), KBinsDiscretizer(quantile_method="linear"))
    yield "a union", make_pipeline(union, SGDClassifier()), X
    yield "nested unions", FeatureUnion([("u", union)]), X
    scorer = make_scorer(fbeta_score, beta=2, average="macro")
    search = GridSearchCV(
        LogisticRegression(), {"C": [1, 2]}, scoring=scorer, cv=StratifiedKFold(2)
    )
    yield "a search with a scorer", search, X
    chance = RandomizedSearchCV(
        LogisticRegression(), {"C": stats.uniform(0.1, 2)}, n_iter=2, cv=2
    )
    yield "a search with distributions", chance, X
    members = [("t", DecisionTreeClassifier()), ("l", LogisticRegression())]
    yield "a vote", VotingClassifier(members, voting="soft"), X
    yield "a stack", StackingClassifier(members, cv=2), X
    yield "a forest", RandomForestClassifier(
        5, random_state=np.random.RandomState(3)
    ), X
    yield "histogram boosting", HistGradientBoostingClassifier(max_iter=5), X
    categories = FRAME.astype({"c": "category"})
    yield "boosting of categories", HistGradientBoostingClassifier(
        max_iter=2
    ), categories
    yield "a k-d tree", KNeighborsClassifier(algorithm="kd_tree"), X
    yield "a ball tree", KNeighborsClassifier(algorithm="ball_tree"), X
    yield "a network", MLPClassifier((4,), max_iter=5, early_stopping=True), X
    yield "kernels", GaussianProcessClassifier(
        RBF(1.0) + WhiteKernel(), optimizer=None
    ), X


@pytest.mark.parametrize(
    ("model", "rows"),
    [pytest.param(model, rows, id=name) for name, model, rows in pipelines()],
)
def test_an_honest_model_passes_in_every_packing(model, rows, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows, y)
    assert refusals(model, tmp_path) == {}


def test_a_text_model_passes(tmp_path):
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    model.fit(["good thing", "bad thing", "good day", "bad day"], ["p", "n", "p", "n"])
    assert refusals(model, tmp_path) == {}


@pytest.mark.parametrize(
    "value",
    [
        np.array(["a", None, 1.5], dtype=object),
        np.array(["2026-11-24"], dtype="datetime64[D]"),
        np.array([1, 2], dtype=">i4"),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.float32(1.5),
        np.ma.masked_array([1, 2], [True, False]),
        np.random.default_rng(3),
        {"a": {1, 2}, "b": frozenset("x"), "c": (1, 2.5, None, True, 10**30)},
        pd.DataFrame({"a": [1.5, None], "b": ["x", None]}),
        pd.Series(pd.Categorical(["a", "b", "a"])),
        pd.date_range("2026-11-24", periods=3),
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'dtype', '')}"[:40],
)
def test_data_that_models_hold_passes(value, tmp_path):
    assert refusals(value, tmp_path) == {}


def test_the_version_in_the_file_is_found(tmp_path):
    data = pickle.dumps(DecisionTreeClassifier().fit(X, y), 4)
    verdict = judged(data.replace(b"1.9.1", b"1.4.2"), tmp_path)
    assert verdict.libraries == {"scikit-learn": "1.4.2"}


def fitted(kind):
    from sklearn.utils._test_common.instance_generator import _construct_instances

    targets = {"1d": y, "2d": np.column_stack([y, y])}
    for model in _construct_instances(kind):
        for rows in (np.abs(X), np.abs(X[:, :1]), ["a word", "b word"]):
            for target in targets.values():
                try:
                    yield model.fit(rows, target)
                except Exception:  # noqa: S112 - most take only one of these forms
                    continue
                break
            else:
                continue
            break


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [kind for _, kind in all_estimators()], ids=[n for n, _ in all_estimators()]
)
def test_every_estimator_of_scikit_learn_passes(kind, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            models = list(fitted(kind))
        except TypeError:
            pytest.skip("cannot be made without an estimator of its own")
        assert [refusals(model, tmp_path) for model in models] == [{}] * len(models)
