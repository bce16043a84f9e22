"""A package of the user's own, as PICKLE_ALLOW names one."""

from os import system

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

leak = system  # what a package may have imported is not the package's own


class Threshold(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Says whether the first column is above a limit."""

    def __init__(self, limit=0.0):
        self.limit = limit

    def fit(self, rows, labels):
        self.classes_ = np.array([False, True])
        self.n_features_in_ = rows.shape[1]
        return self

    def predict(self, rows):
        return np.asarray(rows)[:, 0] > self.limit
