"""Every estimator of scikit-learn, fitted on toy data.

The shape of the data follows from the estimator's own tags: texts, dictionaries,
images, kernels, categories, counts, missing values; one target, or several. What its
constructor needs stands in `MADE`.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators, get_tags

SEVERAL = ", several outputs"
NOVELTY = "LocalOutlierFactor, novelty"
ROWS, COLUMNS, FRESH = 90, 4, 40
_WORDS = [
    "red",
    "green",
    "blue",
    "round",
    "square",
    "small",
    "large",
    "good",
    "bad",
    "new",
    "old",
]


def _logistic() -> Any:
    return LogisticRegression(max_iter=500)


MADE: dict[str, Callable[[type[Any]], Any]] = {
    "ClassifierChain": lambda kind: kind(_logistic()),
    "ColumnTransformer": lambda kind: kind(
        [("numbers", StandardScaler(), ["a", "b"]), ("city", OneHotEncoder(), ["city"])]
    ),
    "FeatureUnion": lambda kind: kind([("s", StandardScaler()), ("p", PCA(2))]),
    "FixedThresholdClassifier": lambda kind: kind(_logistic(), threshold=0.4),
    "FrozenEstimator": lambda kind: kind(_logistic()),
    "GridSearchCV": lambda kind: kind(_logistic(), {"C": [0.1, 1.0]}),
    "MultiOutputClassifier": lambda kind: kind(DecisionTreeClassifier(max_depth=3)),
    "MultiOutputRegressor": lambda kind: kind(DecisionTreeRegressor(max_depth=3)),
    "OneVsOneClassifier": lambda kind: kind(_logistic()),
    "OneVsRestClassifier": lambda kind: kind(_logistic()),
    "OutputCodeClassifier": lambda kind: kind(_logistic(), random_state=0),
    "Pipeline": lambda kind: kind([("s", StandardScaler()), ("p", PCA(2))]),
    "RFE": lambda kind: kind(_logistic(), n_features_to_select=2),
    "RFECV": lambda kind: kind(_logistic()),
    "RandomizedSearchCV": lambda kind: kind(
        _logistic(), {"C": [0.1, 1.0]}, n_iter=2, random_state=0
    ),
    "RegressorChain": lambda kind: kind(Ridge()),
    "SelectFromModel": lambda kind: kind(_logistic()),
    "SelfTrainingClassifier": lambda kind: kind(_logistic()),
    "SequentialFeatureSelector": lambda kind: kind(_logistic()),
    "SparseCoder": lambda kind: kind(np.eye(COLUMNS)[:3]),
    "StackingClassifier": lambda kind: kind(
        [("l", _logistic()), ("t", DecisionTreeClassifier(max_depth=3))]
    ),
    "StackingRegressor": lambda kind: kind(
        [("r", Ridge()), ("t", DecisionTreeRegressor(max_depth=3))]
    ),
    "TunedThresholdClassifierCV": lambda kind: kind(_logistic(), random_state=0),
    "VotingClassifier": lambda kind: kind(
        [("l", _logistic()), ("t", DecisionTreeClassifier(max_depth=3))]
    ),
    "VotingRegressor": lambda kind: kind(
        [("r", Ridge()), ("t", DecisionTreeRegressor(max_depth=3))]
    ),
}
# Smaller or steadier than the defaults, which are made for other sizes of data.
_PARAMETERS: dict[str, dict[str, Any]] = {
    "CCA": {"n_components": 1},
    "GaussianRandomProjection": {"n_components": 2},
    "HashingVectorizer": {"n_features": 64},
    "PLSCanonical": {"n_components": 1},
    "PLSSVD": {"n_components": 1},
    "RadiusNeighborsClassifier": {"radius": 20.0},
    "RadiusNeighborsRegressor": {"radius": 20.0},
    "SelectKBest": {"k": 2},
    "SelectPercentile": {"percentile": 50},
    "SparseRandomProjection": {"n_components": 2},
}
_SMALLER = {"n_estimators": 10, "n_jobs": None, "random_state": 0}
_ONLY_LABELS = frozenset({"ClassifierChain", "OneVsRestClassifier"})
_ALWAYS_SEVERAL = frozenset(
    {"ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor"}
    | {"RegressorChain"}
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """An estimator and rows that it has not seen, in the form that it takes."""

    estimator: Any
    rows: Any

    def columns(self, names: tuple[str, ...], rows: Any = None) -> dict[str, Any]:
        """Rows as a batch of columns under the names of a signature."""
        rows = self.rows if rows is None else rows
        if isinstance(rows, pd.DataFrame):
            return {name: rows[name].tolist() for name in names}
        if isinstance(rows, list):
            return {names[0]: rows}
        matrix = rows[:, None] if rows.ndim == 1 else rows
        return dict(zip(names, matrix.T, strict=True))


def names() -> list[str]:
    """Every estimator, and once more those that may have several outputs."""
    return list(_all())


def fitted(name: str) -> Fitted:
    """An estimator of `names()`, fitted."""
    with _quiet():
        return _fitted(name, name.partition(",")[0])


def _fitted(name: str, plain: str) -> Fitted:
    estimator = _made(plain, _all()[name])
    if name == NOVELTY:
        estimator.set_params(novelty=True)
    tags = get_tags(estimator)
    is_several = name.endswith(SEVERAL) or not tags.target_tags.single_output
    is_several = is_several or plain in _ALWAYS_SEVERAL
    targets = _targets(plain, estimator, tags, is_several=is_several)
    if tags.target_tags.one_d_labels or tags.target_tags.two_d_labels:
        return Fitted(estimator.fit(targets), targets[:FRESH])
    known, fresh = _split(_inputs(plain, tags))
    if plain == "FrozenEstimator":
        estimator.estimator.fit(known, targets)
    return Fitted(estimator.fit(known, targets), fresh)


def _all() -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    with _quiet():
        for name, kind in all_estimators():
            # Experimental: there only where somebody has imported what enables it.
            if name.startswith("Halving"):
                continue
            found[name] = kind
            if name == "LocalOutlierFactor":
                found[NOVELTY] = kind
            if name not in _ALWAYS_SEVERAL and _may_have_several(name, kind):
                found[name + SEVERAL] = kind
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Toy data makes estimators warn, and some tell that they will be removed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _may_have_several(name: str, kind: type[Any]) -> bool:
    if name in _ONLY_LABELS:
        return True
    if name in MADE:
        return False
    model = kind()
    tags = get_tags(model)
    if is_classifier(model):
        classifier = tags.classifier_tags
        is_many = classifier is not None and classifier.multi_label
        return bool(tags.target_tags.multi_output or is_many)
    is_one: bool = tags.target_tags.multi_output and tags.target_tags.single_output
    return bool(is_regressor(model) and is_one)


def _made(name: str, kind: type[Any]) -> Any:
    model = MADE[name](kind) if name in MADE else kind()
    known = model.get_params(deep=False)
    wanted = {**_SMALLER, **_PARAMETERS.get(name, {})}
    model.set_params(**{k: v for k, v in wanted.items() if k in known})
    return model


def _inputs(name: str, tags: Any) -> Any:
    """The rows to fit on, with fresh ones behind them."""
    random, count, given = np.random.default_rng(5), ROWS + FRESH, tags.input_tags
    if name == "ColumnTransformer":
        numbers = random.normal(size=(count, 2))
        frame = pd.DataFrame(numbers, columns=["a", "b"])
        return frame.assign(city=random.choice(["Oslo", "Rome", "Kyiv"], count))
    if given.string and not given.two_d_array:
        return [" ".join(random.choice(_WORDS, 6)) for _ in range(count)]
    if given.dict:
        return [{"a": number, "b": 1} for number in random.random(count).tolist()]
    if given.three_d_array:
        return random.random((count, 8, 8))
    if given.pairwise:
        points = random.normal(size=(count, 3))
        return points @ points[:ROWS].T
    width = 1 if given.one_d_array else COLUMNS
    if given.categorical:
        return random.integers(0, 4, (count, width)).astype(float)
    rows = random.normal(size=(count, width))
    if given.positive_only:
        return np.abs(rows)
    if given.allow_nan:
        rows[random.random(rows.shape) < 0.1] = np.nan
    return rows


def _split(rows: Any) -> tuple[Any, Any]:
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[:ROWS], rows.iloc[ROWS:]
    return rows[:ROWS], rows[ROWS:]


def _targets(name: str, model: Any, tags: Any, *, is_several: bool) -> Any:
    values = _signal(name, tags)
    if tags.target_tags.two_d_labels:
        return [["a", "b"] if value > 0 else ["b"] for value in values]
    is_regression = is_regressor(model) or name == "PLSSVD"
    if tags.target_tags.one_d_labels or not is_regression:
        return _classes(name, values, tags, is_several=is_several)
    if tags.target_tags.positive_only:
        values = np.abs(values) + 0.1
    return np.column_stack([values, values**2]) if is_several else values


def _signal(name: str, tags: Any) -> Any:
    """What a target follows from: the columns, where they are numbers."""
    rows = _inputs(name, tags)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2:
        return np.random.default_rng(6).normal(size=ROWS)
    known = np.nan_to_num(rows[:ROWS].astype(float))
    noise = 0.2 * np.random.default_rng(6).normal(size=ROWS)
    found: Any = known @ np.linspace(1.0, -1.5, known.shape[1]) + noise
    return found


def _classes(name: str, values: Any, tags: Any, *, is_several: bool) -> Any:
    high = values > np.median(values)
    if is_several and (name in _ONLY_LABELS or _takes_labels_only(tags)):
        return np.column_stack([high, values > np.quantile(values, 0.7)]).astype(int)
    low = values < np.quantile(values, 0.25)
    if tags.classifier_tags is not None and not tags.classifier_tags.multi_class:
        return high.astype(int)
    grades = high.astype(int) + ~low
    if is_several:
        return np.column_stack([grades, high])
    # Unlabelled rows are told by -1, so labels are numbers there.
    is_number = name in ("LabelPropagation", "LabelSpreading", "SelfTrainingClassifier")
    is_number |= name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV")
    if is_number:
        return high.astype(int) if "Threshold" in name else grades
    return np.array(["low", "middle", "high"])[grades]


def _takes_labels_only(tags: Any) -> bool:
    """Whether its several outputs are yes or no each."""
    return not tags.target_tags.multi_output


def kinds_of_rows(fitted: Fitted) -> Iterator[tuple[str, Any]]:
    """The fresh rows, and rows where two representations of a number part."""
    yield "fresh", fitted.rows
    rows = fitted.rows
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind == "f":
        single = rows.astype(np.float32).astype(np.float64)
        yield "single precision", single
        yield "one step above it", np.nextafter(single, np.inf)
        yield "a thousand times", rows * 1000.0
