"""Fits honest models and saves them, with whatever scikit-learn runs this.

Not a part of the tests: it makes their corpus, once for each release, in an
environment that uv throws away afterwards:

    for release in 1.5.2 1.6.1 1.7.2 1.8.0 1.9.1; do
        uv run --no-project --python 3.11 --with scikit-learn==$release --with pandas \\
            python tests/models/corpus/build.py FOLDER
    done
    uv run --no-project python tests/models/corpus/build.py --pack FOLDER

Everything is fitted from one seed on a few rows, so that the files are small.
"""

import argparse
import io
import json
import pickle
import sys
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKED = Path(__file__).with_name("artifacts.tar.xz")
# Estimators that need another of their own, made with one that is cheap.
_INNER = ("estimator", "estimators", "transformers", "transformer_list", "steps")


def models() -> Iterator[tuple[str, Any]]:
    """Fitted models by name: every estimator, and pipelines people build."""
    import numpy as np
    from sklearn.datasets import load_iris
    from sklearn.utils import all_estimators

    rows, labels = load_iris(return_X_y=True)
    rows, labels = rows[::3], labels[::3]
    targets = [labels, rows[:, 0], np.column_stack([labels, labels])]
    for name, kind in all_estimators():
        found = fitted(made(kind), np.abs(rows), targets)
        if found is not None:
            yield name, found
    yield from pipelines(rows, labels)


def made(kind: Any) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import MinMaxScaler

    small = {
        "n_estimators": 3,
        "max_iter": 20,
        "max_depth": 3,
        "hidden_layer_sizes": (3,),
        "n_init": 1,
        "max_leaf_nodes": 5,
        "random_state": 3,
        "n_components": 2,
        "n_clusters": 3,
        "cv": 2,
    }
    is_regressor = "Regress" in kind.__name__
    inner = Ridge() if is_regressor else LogisticRegression(max_iter=20)
    needed = {
        "estimator": inner,
        "estimators": [("a", inner), ("b", inner)],
        "transformers": [("t", MinMaxScaler(), [0, 1])],
        "transformer_list": [("t", MinMaxScaler())],
        "steps": [("s", MinMaxScaler()), ("m", inner)],
        "param_grid": {"fit_intercept": [True, False]},
        "param_distributions": {"fit_intercept": [True, False]},
    }
    import inspect

    wanted = inspect.signature(kind.__init__).parameters
    demanded = {
        name: value
        for name, value in needed.items()
        if name in wanted and wanted[name].default is inspect.Parameter.empty
    }
    chosen = {name: value for name, value in small.items() if name in wanted}
    for options in ({**chosen, **demanded}, demanded):
        try:
            return kind(**options)
        except Exception:  # noqa: S112 - not every estimator takes these
            continue
    return None


def fitted(model: Any, rows: Any, targets: list[Any]) -> Any:
    if model is None:
        return None
    texts = ["a word", "b word", "c thing"] * 20
    for data in (rows, rows[:, 0], texts[: len(rows)]):
        for target in targets:
            try:
                return model.fit(data, target)
            except Exception:  # noqa: S112 - most take only one of these forms
                continue
    return None


def pipelines(rows: Any, labels: Any) -> Iterator[tuple[str, Any]]:
    import numpy as np
    import pandas as pd
    from sklearn import (
        compose,
        ensemble,
        feature_selection,
        impute,
        linear_model,
        model_selection,
        pipeline,
        preprocessing,
        svm,
        tree,
    )
    from sklearn.feature_extraction.text import TfidfVectorizer

    frame = pd.DataFrame({"a": rows[:, 0], "b": rows[:, 1]})
    frame["c"] = np.where(labels > 0, "x", "y")
    columns = compose.ColumnTransformer(
        [
            (
                "n",
                pipeline.make_pipeline(
                    impute.SimpleImputer(), preprocessing.StandardScaler()
                ),
                ["a", "b"],
            ),
            ("c", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["c"]),
        ]
    )
    finals = {
        "logistic": linear_model.LogisticRegression(),
        "forest": ensemble.RandomForestClassifier(3, max_depth=3, random_state=3),
        "boosting": ensemble.GradientBoostingClassifier(
            n_estimators=3, max_depth=2, random_state=3
        ),
        "histogram": ensemble.HistGradientBoostingClassifier(max_iter=3),
        "machine": svm.SVC(probability=False),
    }
    for name, final in finals.items():
        yield f"mixed {name}", pipeline.make_pipeline(columns, final).fit(frame, labels)
    words = ["good thing", "bad thing", "good day", "bad day"]
    yield "texts", pipeline.make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2)), linear_model.SGDClassifier(random_state=3)
    ).fit(words, ["p", "n", "p", "n"])
    yield "search", model_selection.GridSearchCV(
        tree.DecisionTreeClassifier(random_state=3),
        {"max_depth": [1, 2]},
        cv=model_selection.StratifiedKFold(2),
        scoring="f1_macro",
    ).fit(rows, labels)
    yield "ufunc", pipeline.make_pipeline(
        preprocessing.FunctionTransformer(np.log1p),
        feature_selection.SelectKBest(feature_selection.f_classif, k=2),
        linear_model.RidgeClassifier(),
    ).fit(np.abs(rows), labels)
    yield "named labels", linear_model.LogisticRegression().fit(
        frame[["a", "b"]], np.array(["low", "mid", "high"])[labels]
    )


def build(folder: Path) -> None:
    """Save every model under the release's name, and say which libraries made it."""
    import joblib
    import numpy
    import scipy
    import sklearn

    target = folder / sklearn.__version__
    target.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, (name, model) in enumerate(models()):
            try:
                data = pickle.dumps(model, 2 + place % 4)
            except Exception as error:
                print("not saved:", name, error, file=sys.stderr)
                continue
            (target / f"{name}.pkl").write_bytes(data)
            if place % 4 == 0:
                buffer = io.BytesIO()
                joblib.dump(model, buffer)
                (target / f"{name}.joblib").write_bytes(buffer.getvalue())
    made_with = {"numpy": numpy.__version__, "scipy": scipy.__version__}
    made_with["joblib"] = joblib.__version__
    (target / "made-with.json").write_text(json.dumps(made_with))
    print(sklearn.__version__, len(list(target.iterdir())) - 1, "files")


def pack(folder: Path) -> None:
    """Put all releases into the one file that is kept with the tests."""
    with tarfile.open(PACKED, "w:xz", preset=9) as archive:
        # The same model of each release side by side packs best.
        files = sorted(folder.glob("*/*"), key=lambda one: (one.name, one.parent.name))
        for path in files:
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            entry.size = path.stat().st_size
            archive.addfile(entry, io.BytesIO(path.read_bytes()))
    print(PACKED.name, f"{PACKED.stat().st_size:,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pack", action="store_true")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    (pack if given.pack else build)(given.folder)
