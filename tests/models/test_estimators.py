"""Every estimator of scikit-learn is served with its own answers, or refused."""

import os
from pathlib import Path

import pytest

from tests.models import estimator_table, estimators

# One of each kind: what is fast to fit, and what was wrong before. CI takes these.
SLICE = [
    "CategoricalNB",
    "ClassifierChain",
    "ColumnTransformer",
    "CountVectorizer",
    "DBSCAN",
    "DictVectorizer",
    "ExtraTreesClassifier",
    "FrozenEstimator",
    "GaussianMixture",
    "HistGradientBoostingClassifier",
    "IsolationForest",
    "IsotonicRegression",
    "KMeans",
    "KNNImputer",
    "KNeighborsClassifier, several outputs",
    "KernelDensity",
    "LabelEncoder",
    "LocalOutlierFactor",
    "LocalOutlierFactor, novelty",
    "MLPClassifier, several outputs",
    "MultiOutputRegressor",
    "OneHotEncoder",
    "OneVsRestClassifier",
    "PCA",
    "PLSRegression",
    "RidgeClassifier, several outputs",
    "SVC",
    "TargetEncoder",
    "VotingClassifier",
]
CHOSEN = estimators.names() if os.environ.get("TEST_ESTIMATORS") == "all" else SLICE


def test_the_page_has_every_estimator_once() -> None:
    text = estimator_table.PAGE.read_text()
    assert list(estimator_table.documented()) == estimators.names()
    assert text.count("\n| `") == len(estimators.names())


@pytest.mark.slow
# What scikit-learn says of toy data, such as rows without a neighbour, is no fault here.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CHOSEN)
def test_an_estimator_is_served_with_its_own_answers_or_refused(
    name: str, tmp_path: Path
) -> None:
    served = estimator_table.serve(name, tmp_path)
    assert served.row == estimator_table.documented()[name]
    if served.result is not None:
        assert not estimator_table.differences(served)
