"""The models that both sides serve, by kind."""

from functools import cache

from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

IRIS = load_iris(as_frame=True)
CANCER = load_breast_cancer()
LAST = [float(x) for x in IRIS.data.iloc[149]]
FEATURES = [float(x) for x in CANCER.data[0]]


@cache
def estimators() -> dict[str, BaseEstimator]:
    """Fitted estimators; `binary` is the default model, of 30 features."""
    values, kinds = IRIS.data.to_numpy(), IRIS.target.to_numpy()
    binary = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return {
        "binary": binary.fit(CANCER.data, CANCER.target),
        "price": LinearRegression().fit(values, values[:, 0] * 2.5),
        "margin": SVC().fit(values, kinds > 1),
        "text": LogisticRegression(max_iter=500).fit(values, IRIS.target_names[kinds]),
        "three": LogisticRegression(max_iter=500).fit(values, kinds),
        "named": LogisticRegression(max_iter=500).fit(IRIS.data, kinds > 1),
    }


def turned() -> BaseEstimator:
    """The default model with its two answers changed round."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
        CANCER.data, 1 - CANCER.target
    )
