"""A service of BentoML: an array in where all is numbers, else a frame."""

import os
from pathlib import Path
from typing import Any

import bentoml
import joblib
import numpy as np
import pandas as pd

folder = Path(os.environ["BENCH_FOLDER"])


def answers(model: Any, given: Any) -> dict[str, Any]:
    return {
        "predictions": model.predict(given).tolist(),
        "probabilities": model.predict_proba(given).tolist(),
    }


if os.environ["BENCH_MODEL"] == "logistic":

    @bentoml.service
    class Bench:
        def __init__(self) -> None:
            self.model = joblib.load(folder / "model.joblib")
            self.names = list(self.model.feature_names_in_)

        @bentoml.api
        def predict(self, rows: np.ndarray) -> dict[str, Any]:
            return answers(self.model, pd.DataFrame(rows, columns=self.names))

else:

    @bentoml.service
    class Bench:  # type: ignore[no-redef]
        def __init__(self) -> None:
            self.model = joblib.load(folder / "model.joblib")

        @bentoml.api
        def predict(self, rows: pd.DataFrame) -> dict[str, Any]:
            return answers(self.model, rows)
