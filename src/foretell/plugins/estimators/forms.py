"""What a fitted estimator can be asked for, and the form of its answers.

Most are asked to `predict`. A transformer has nothing to predict: its answer is the row
that it makes. A density says how likely a row is. What only groups, embeds or describes
the rows it was fitted on cannot say anything about another row, and is refused with the
way out.
"""

from typing import Any

import numpy as np
from sklearn.utils import get_tags

from foretell.models.errors import ModelUnusable
from foretell.models.ports import EngineSpec, Method, Outputs, Scores
from foretell.models.signature import OutputField, OutputType, Scalar, class_names
from foretell.plugins.estimators.columns import steps_of

METHODS: tuple[Method, ...] = ("predict", "transform", "score_samples")
MAX_VALUES = 10_000  # of one answer; the words of a hashed text are a million


def method_of(model: Any) -> Method:
    """What to ask the estimator for.

    Raises:
        ModelUnusable: It can say nothing about a new row, or takes something else than
            rows of numbers and texts.
    """
    found = next((name for name in METHODS if hasattr(model, name)), None)
    if found is None:
        raise ModelUnusable(_why_not(model))
    if found == "transform" and (reason := _no_rows(model)) is not None:
        raise ModelUnusable(f"{_named(model)} {reason}")
    return found


def _named(model: Any) -> str:
    return type(steps_of(model)[-1]).__name__


def _why_not(model: Any) -> str:
    final, named = steps_of(model)[-1], _named(model)
    if hasattr(final, "novelty"):
        return (
            f"{named} knows only the rows it was fitted on; fit it with novelty=True."
        )
    if hasattr(final, "fit_predict"):
        return (
            f"{named} groups only the rows it was fitted on and has no `predict` for "
            "others; fit a classifier on its `labels_`, or take KMeans or Birch."
        )
    if hasattr(final, "biclusters_"):
        return f"{named} groups only the rows and columns it was fitted on."
    if hasattr(final, "fit_transform"):
        return (
            f"{named} places only the rows it was fitted on and has no `transform` for "
            "others."
        )
    if hasattr(final, "kneighbors"):
        return (
            f"{named} finds neighbours and predicts nothing; take "
            "KNeighborsClassifier or KNeighborsRegressor."
        )
    return (
        f"{named} has no `predict`, no `transform` and no `score_samples`: it says "
        "nothing about a row."
    )


def _no_rows(model: Any) -> str | None:
    """Why what a transformer takes is no row, if it is none."""
    try:
        tags = get_tags(steps_of(model)[0])
    except (AttributeError, TypeError, ValueError):
        return None  # not of scikit-learn; trying it out will tell
    if tags.target_tags.one_d_labels or tags.target_tags.two_d_labels:
        return (
            "turns labels into numbers, not rows; serve the model they were made for."
        )
    if tags.input_tags.dict:
        return "takes dictionaries and not columns; use a OneHotEncoder in its place."
    if tags.input_tags.three_d_array:
        return "takes images and not rows."
    return None


def scores_kind(model: Any, method: Method) -> Scores:
    """What stands beside a prediction."""
    if method != "predict":
        return "none"
    if hasattr(model, "predict_proba"):
        return "probabilities"
    is_judging = hasattr(model, "classes_") or _is_detector(model)
    if hasattr(model, "decision_function") and is_judging:
        return "decision"
    return "none"


def _is_detector(model: Any) -> bool:
    """Whether it tells outliers (-1) from the rest (1)."""
    return hasattr(steps_of(model)[-1], "offset_")


def form_of(
    model: Any, given: Outputs, draft: EngineSpec
) -> tuple[EngineSpec, list[OutputField]]:
    """The engine's description and the outputs, from the answers to two rows.

    Raises:
        ModelUnusable: The answers are nothing that JSON rows could hold.
    """
    predictions = given.predictions
    if predictions.ndim > 2 or (predictions.ndim == 2 and not predictions.shape[1]):
        raise ModelUnusable(
            f"A row's answer has the shape {predictions.shape[1:]}; it has to be a "
            "value or a list of values."
        )
    size = predictions.shape[1] if predictions.ndim == 2 else None
    if size is not None and size > MAX_VALUES:
        raise ModelUnusable(
            f"A row's answer has {size:,} values; at most {MAX_VALUES:,} are served."
        )
    kind = _type_of(predictions)
    classes = getattr(model, "classes_", None) if draft.method == "predict" else None
    if classes is not None and size is not None:
        return _several(classes, size, draft, kind)
    labels = _labels(model, classes, given, draft)
    spec = EngineSpec(
        engine="native",
        method=draft.method,
        scores=draft.scores,
        classes=labels,
        size=size,
        is_inline=False,
    )
    outputs = [OutputField("prediction", kind, values=labels or None, size=size)]
    if draft.scores != "none":
        names: list[Scalar] | None = list(class_names(labels))
        if _width(given.scores) != len(labels):
            names = None
        outputs.append(OutputField(draft.scores, "float", values=names))
    return spec, outputs


def _width(scores: Any) -> int:
    return int(scores.shape[1])


def _labels(
    model: Any, classes: Any, given: Outputs, draft: EngineSpec
) -> list[Scalar]:
    if classes is not None:
        only = classes[0] if isinstance(classes, list) else classes
        labels: list[Scalar] = np.asarray(only).tolist()
        return labels
    if draft.scores == "decision" and _is_detector(model):
        return [-1, 1]
    if draft.scores == "probabilities":  # a mixture's components, by number
        return list(range(_width(given.scores)))
    return []


def _several(
    classes: Any, size: int, draft: EngineSpec, kind: OutputType
) -> tuple[EngineSpec, list[OutputField]]:
    each: list[list[Scalar]] = (
        [np.asarray(one).tolist() for one in classes]
        if isinstance(classes, list)
        else [[0, 1]] * size
    )
    spec = EngineSpec(
        engine="native",
        scores=draft.scores,
        size=size,
        output_classes=each if draft.scores == "probabilities" else None,
        is_inline=False,
    )
    outputs = [OutputField("prediction", kind, size=size)]
    if draft.scores != "none":
        outputs.append(OutputField(draft.scores, "float", size=size))
    return spec, outputs


def _type_of(predictions: Any) -> OutputType:
    kinds: dict[str, OutputType] = {"b": "boolean", "i": "integer", "u": "integer"}
    if predictions.dtype != object:
        kind = predictions.dtype.kind
        return kinds.get(kind, "float" if kind == "f" else "text")
    found = {_type_of_one(value) for value in predictions.ravel() if value is not None}
    if found == {"integer", "float"}:
        return "float"
    if len(found) > 1:
        raise ModelUnusable(
            f"A row's answer mixes {' and '.join(sorted(found))}; all of its values "
            "have to be of one type."
        )
    return found.pop() if found else "text"


def _type_of_one(value: Any) -> OutputType:
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, int | np.integer):
        return "integer"
    return "float" if isinstance(value, float | np.floating) else "text"
