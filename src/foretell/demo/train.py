"""Train two penguin classifiers, as anybody with a notebook would.

    python -m foretell.demo.train FOLDER

writes for each: NAME.joblib (a scikit-learn pipeline), NAME.json (its accuracy, and
its own predictions for the table); and example.csv, rows of the kind it was trained
on. Nothing here knows Foretell.
"""

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
CATEGORIES = ["island", "sex"]
INPUTS = [*CATEGORIES, *NUMBERS]
TARGET = "species"

CLASSIFIERS = {
    "logistic": LogisticRegression(max_iter=1000),
    "forest": RandomForestClassifier(n_estimators=100, random_state=0),
}


def load_table() -> pd.DataFrame:
    """The penguins; what was not measured is missing among numbers, `NA` in text."""
    with (files("foretell.demo") / "penguins.csv").open("rb") as file:
        missing = {name: ["NA"] for name in NUMBERS}
        return pd.read_csv(file, keep_default_na=False, na_values=missing)


def make_pipeline_for(classifier: Any) -> Any:
    """A pipeline from raw columns to species."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("categories", categories, CATEGORIES)]
    )
    return make_pipeline(columns, classifier)


def train(folder: Path) -> None:
    """Write the models, what they are worth, and an example of their inputs."""
    table = load_table()
    inputs, target = table[INPUTS], table[TARGET]
    inputs.iloc[:50].to_csv(folder / "example.csv", index=False)
    for name, classifier in CLASSIFIERS.items():
        pipeline = make_pipeline_for(classifier)
        accuracy = float(cross_val_score(pipeline, inputs, target, cv=5).mean())
        pipeline.fit(inputs, target)
        joblib.dump(pipeline, folder / f"{name}.joblib")
        facts = {
            "accuracy": round(accuracy, 4),
            "predictions": pipeline.predict(inputs).tolist(),
        }
        (folder / f"{name}.json").write_text(json.dumps(facts), "utf-8")


if __name__ == "__main__":
    train(Path(sys.argv[1]))
