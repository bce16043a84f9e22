"""Fits the models; needs scikit-learn and pandas, and nothing of this repository."""

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def table(folder: Path, model: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{model}.csv")


def fit(folder: Path, model: str) -> Any:
    """The logistic regression of 30 numbers, or the boosting of numbers and texts."""
    frame = table(folder, model)
    rows, target = frame.drop(columns="target"), frame["target"]
    if model == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
            rows, target
        )
    texts = ["cut", "colour", "clarity"]
    numbers = [name for name in rows if name not in texts]
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
        ]
    )
    boosting = GradientBoostingClassifier(n_estimators=100, random_state=0)
    return make_pipeline(columns, boosting).fit(rows, target)
