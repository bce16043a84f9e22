"""Serves every estimator of scikit-learn and says how, for docs/reference/estimators.md.

`python -m tests.models.estimator_table` writes the page anew, which takes some minutes.
"""

import pickle
import re
import sys
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foretell.models import registry
from foretell.models.errors import ModelRefused, ModelUnusable
from foretell.models.inspecting import inspect_artifact
from foretell.models.loading import open_native, open_predictor
from foretell.models.ports import Outputs, Predictor, Terms
from foretell.models.probing import answerable, make_probes
from foretell.models.reports import InspectRequest, InspectResult
from tests.models import estimators
from tests.models.estimators import Fitted

PAGE = Path(__file__).parents[2] / "docs/reference/estimators.md"
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Served:
    """One row of the table, and what is needed to look closer."""

    name: str
    row: str
    fitted: Fitted
    result: InspectResult | None
    predictor: Predictor | None
    folder: Path


def serve(name: str, folder: Path) -> Served:
    """Upload an estimator as a user would: gate, load, probes, proof, engine."""
    fitted = estimators.fitted(name)
    artifact, output = folder / "model.pkl", folder / "out"
    artifact.write_bytes(pickle.dumps(fitted.estimator))
    output.mkdir()
    request = InspectRequest(artifact=str(artifact), output=str(output))
    try:
        result = inspect_artifact(request, lambda _progress: None)
    except (ModelUnusable, ModelRefused) as refusal:
        reason = " ".join(str(refusal).split())
        return Served(
            name, f"| `{name}` | refused | {reason} |", fitted, None, None, folder
        )
    row = f"| `{name}` | {_form(result)} | {result.engine} |"
    return Served(name, row, fitted, result, _open(result, artifact, output), folder)


def _open(result: InspectResult, artifact: Path, output: Path) -> Predictor:
    if result.twin is None:
        return open_native(
            artifact, result.signature, result.spec, flavour="sklearn", terms=Terms()
        )
    data = (output / result.twin.name).read_bytes()
    return open_predictor(result.spec, result.signature, data)


def _form(result: InspectResult) -> str:
    first, *beside = result.signature.outputs
    kinds = {"predict": "a prediction", "transform": "the row it makes"}
    what = kinds.get(result.spec.method, "the log-likelihood")
    many = "" if first.size is None else f", {first.size} values"
    return f"{what} ({first.type}{many})" + "".join(f", {one.name}" for one in beside)


def differences(served: Served) -> list[str]:
    """Where the engine answers otherwise than the estimator; empty is good."""
    assert served.result is not None
    assert served.predictor is not None
    found = []
    for kind, rows in estimators.kinds_of_rows(served.fitted):
        rows = _allowed(rows, served.result)
        wanted = _asked(served.fitted.estimator, rows, served.result)
        if wanted is None or len(wanted.predictions) < 8:
            continue  # the estimator itself takes no such rows
        batch = served.fitted.columns(served.result.signature.names, rows)
        given = served.predictor.predict(batch)
        found += [f"{kind}: {one}" for one in _apart(wanted, given)]
        found += [f"{kind}: {one}" for one in _alone(served, rows, batch)]
    return found + _on_hard_rows(served, served.result)


def _allowed(rows: Any, result: InspectResult) -> Any:
    """The rows without those that a request may not hold: they would be refused."""
    fields = result.signature.inputs
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind != "f":
        return rows
    needed = [place for place, field in enumerate(fields) if not field.nullable]
    whole = [place for place, field in enumerate(fields) if field.type == "integer"]
    is_missing = np.isnan(rows[:, needed]).any(axis=1)
    is_fraction = (rows[:, whole] % 1 > 0).any(axis=1)
    return rows[~is_missing & ~is_fraction]


def _asked(model: Any, rows: Any, result: InspectResult) -> Outputs | None:
    """What the library answers when it is asked by hand."""
    spec = result.spec
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = getattr(model, spec.method)(rows)
            scores: Any = None
            if spec.scores == "probabilities":
                scores = model.predict_proba(rows)
            elif spec.scores == "decision":
                scores = model.decision_function(rows)
        except (ValueError, IndexError):
            return None
    answer = answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)
    return Outputs(answer, scores)


def _apart(wanted: Outputs, given: Outputs) -> list[str]:
    found = _apart_values("prediction", wanted.predictions, given.predictions)
    if wanted.scores is None:
        return found
    pairs: list[tuple[Any, Any]]
    if isinstance(given.scores, list) and not isinstance(wanted.scores, list):
        # One probability for each label: that of its second class.
        pairs = [(wanted.scores[:, k], one[:, 1]) for k, one in enumerate(given.scores)]
    elif isinstance(given.scores, list):
        pairs = list(zip(wanted.scores, given.scores, strict=True))
    else:
        pairs = [(wanted.scores, given.scores)]
    for one, other in pairs:
        found += _apart_values("scores", one, other)
    return found


def _apart_values(what: str, wanted: Any, given: Any) -> list[str]:
    wanted = np.asarray(wanted)
    given = np.asarray(given).reshape(wanted.shape)
    if wanted.dtype.kind == "f":
        scale = TOLERANCE * np.maximum(1.0, np.abs(wanted))
        with np.errstate(invalid="ignore"):
            is_near = np.abs(wanted - given) <= scale
        is_near |= (wanted == given) | (np.isnan(wanted) & np.isnan(given))
    else:
        is_near = np.asarray(wanted.astype(object) == given.astype(object))
    if is_near.all():
        return []
    place = tuple(np.argwhere(~is_near)[0])
    return [f"{what}: {(~is_near).sum()} differ, {wanted[place]} is {given[place]}"]


def _alone(served: Served, rows: Any, batch: Any) -> list[str]:
    """A row by itself, which may have another answer than among others.

    What an iteration of a MiniBatchNMF comes to depends on all rows that it is given.
    """
    found: list[str] = []
    assert served.predictor is not None
    assert served.result is not None
    for place in (0, 7):
        only = rows.iloc[[place]] if hasattr(rows, "iloc") else rows[place : place + 1]
        wanted = _asked(served.fitted.estimator, only, served.result)
        assert wanted is not None
        row = [_plain(batch[name][place]) for name in served.predictor.columns]
        alone, beside = served.predictor.predict_one(row)
        scores: Any = beside
        found += _apart_values("alone", wanted.predictions.ravel(), np.ravel(alone))
        if isinstance(wanted.scores, np.ndarray) and wanted.scores.size == np.size(
            scores
        ):
            found += _apart_values("scores", wanted.scores.ravel(), np.ravel(scores))
    return found


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value != value else value


def _on_hard_rows(served: Served, result: InspectResult) -> list[str]:
    """The rows of the proof once more, the estimator asked by hand."""
    if result.twin is None or served.predictor is None:
        return []
    path = served.folder / "model.pkl"
    model = registry.flavour("sklearn").load(path, Terms())
    probes = make_probes(model.signature, model.hints)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probes, _, _ = answerable(probes, model.predictor.predict)
    wanted = _asked(served.fitted.estimator, _as_rows(served, probes.columns), result)
    assert wanted is not None
    given = served.predictor.predict(probes.columns)
    return [f"hard rows: {one}" for one in _apart(wanted, given)]


def _as_rows(served: Served, columns: Any) -> Any:
    if isinstance(served.fitted.rows, pd.DataFrame):
        return pd.DataFrame(columns)
    if isinstance(served.fitted.rows, list):
        return next(iter(columns.values()))
    return np.column_stack([np.asarray(one, dtype=float) for one in columns.values()])


def documented() -> dict[str, str]:
    """The rows of the page by the estimator's name."""
    rows = re.findall(r"^(\| `([^`]+)` \|.*)$", PAGE.read_text(), re.MULTILINE)
    return {name: row for row, name in rows}


def looked_at(name: str) -> tuple[str, list[str]]:
    """The row of an estimator, and what is wrong with its engine."""
    with tempfile.TemporaryDirectory() as folder:
        served = serve(name, Path(folder))
        wrong = [] if served.result is None else differences(served)
        return served.row, [f"{name}: {one}" for one in wrong]


def main() -> None:
    text = PAGE.read_text()
    head = text[: text.index("| estimator |")]
    lines = ["| estimator | served as | engine, or why not |", "|---|---|---|"]
    faults: list[str] = []
    with ProcessPoolExecutor(int(sys.argv[1]) if sys.argv[1:] else None) as pool:
        for row, wrong in pool.map(looked_at, estimators.names()):
            print(row, *wrong, sep="\n", flush=True)
            lines.append(row)
            faults += wrong
    PAGE.write_text(head + "\n".join(lines) + "\n")
    print("\n".join(["", f"{len(lines) - 2} rows", *faults]))


if __name__ == "__main__":
    main()
