"""The two models: what they are fitted on, and the rows that are asked.

The tables go to each contender as CSV files. It fits the model with its own libraries
by `peers/training.py`, because a pickle of one scikit-learn may not load in another.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

from benchmarks.serving.peers import training

MODELS = ("logistic", "mixed")
MANY = 100
Row = dict[str, Any]


def write(folder: Path) -> None:
    """Write the training table of each model."""
    data = load_breast_cancer(as_frame=True)
    data.data.assign(target=data.target).to_csv(folder / "logistic.csv", index=False)
    _mixed(20_000).to_csv(folder / "mixed.csv", index=False)


def _mixed(count: int) -> pd.DataFrame:
    """Goods with a price: six numbers and three texts, as a shop's table has them."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "weight": random.gamma(2.0, 0.4, count).round(2),
            "depth": random.normal(61.7, 1.4, count).round(1),
            "width": random.normal(57.5, 2.2, count).round(1),
            "x": random.normal(5.7, 1.1, count).round(2),
            "y": random.normal(5.7, 1.1, count).round(2),
            "z": random.normal(3.5, 0.7, count).round(2),
            "cut": random.choice(["Fair", "Good", "Ideal", "Premium"], count),
            "colour": random.choice(list("DEFGHIJ"), count),
            "clarity": random.choice(["IF", "SI1", "SI2", "VS1", "VS2"], count),
        }
    )
    worth = frame["weight"] * 3 + frame["x"] * 0.4 - frame["colour"].map(ord) * 0.1
    worth += frame["cut"].isin(["Ideal", "Premium"]) * 0.5 + random.normal(
        0, 0.3, count
    )
    return frame.assign(target=(worth > worth.median()).astype(int))


def rows(folder: Path, model: str) -> list[Row]:
    """The rows that are asked, `MANY` of them."""
    frame = training.table(folder, model).drop(columns="target")
    found: list[Row] = json.loads(frame.iloc[:MANY].to_json(orient="records"))
    # JSON has one kind of number; a column of whole ones is still of floats.
    return [
        {k: float(v) if isinstance(v, int) else v for k, v in row.items()}
        for row in found
    ]


def answers(folder: Path, model: str) -> list[list[float]]:
    """What scikit-learn says of those rows: the probability of each class."""
    frame = pd.DataFrame(rows(folder, model))
    found: list[list[float]] = training.fit(folder, model).predict_proba(frame).tolist()
    return found
