"""Finds out what a fitted scikit-learn model knows about its input columns.

The estimators remember more than their signature shows: an encoder keeps the
categories of its column, a scaler where the values lay. The walk follows the raw
columns through pipelines and column transformers as far as they stay columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foretell.models.signature import MAX_VALUES, InputType, Scalar

_MEMBERS = 50  # of an ensemble know as much about the columns as all of them


@dataclass(slots=True)
class Known:
    """What one column is known to be; None where nothing is known."""

    type: InputType | None = None
    values: list[Scalar] | None = None
    closed: bool = False
    range: tuple[float, float] | None = None


def known_columns(model: Any, names: Sequence[str]) -> list[Known]:
    """What the model knows about each of its input columns."""
    known = [Known() for _ in names]
    _visit(model, list(range(len(names))), list(names), known)
    return known


def unwrapped(model: Any) -> Any:
    """What a fitted search or a frozen estimator answers with: the one inside."""
    inside = "estimator" if type(model).__name__ == "FrozenEstimator" else ""
    held = vars(model) if hasattr(model, "__dict__") else {}
    found = held.get(inside, held.get("best_estimator_"))
    return model if found is None else unwrapped(found)


def steps_of(model: Any) -> list[Any]:
    """The steps of a pipeline that do something; the model itself otherwise."""
    model = unwrapped(model)
    if not hasattr(model, "steps"):
        return [model]
    return [
        step for _, step in model.steps if step is not None and step != "passthrough"
    ]


def inner_models(model: Any, most: int | None = None) -> Iterator[Any]:
    """Fitted estimators inside a search, ensemble or wrapper.

    Args:
        most: Of the members of an ensemble, the first so many.
    """
    for name in ("best_estimator_", "estimator_", "_preprocessor"):
        found = vars(model).get(name) if hasattr(model, "__dict__") else None
        if found is not None:
            yield found
    for name in ("estimators_", "calibrated_classifiers_"):
        found = vars(model).get(name) if hasattr(model, "__dict__") else None
        if isinstance(found, list):
            for one in found[:most]:
                yield getattr(one, "estimator", one) if name[0] == "c" else one


def _visit(
    model: Any, columns: list[int], names: list[str], known: list[Known]
) -> None:
    """Note what a transformer or model says about the columns it is given."""
    if hasattr(model, "steps"):
        for step in steps_of(model):
            _visit(step, columns, names, known)
            if not _keeps_columns(step, len(columns)):
                return
    elif hasattr(model, "transformers_"):
        for part, places in _parts(model, names):
            inside = [columns[place] for place in places]
            _visit(part, inside, [names[place] for place in places], known)
    elif hasattr(model, "transformer_list"):
        for _, part in model.transformer_list:
            if not isinstance(part, str):
                _visit(part, columns, names, known)
    elif hasattr(model, "categories_"):
        _note_categories(model, columns, known)
    elif hasattr(model, "vocabulary_") or hasattr(model, "build_analyzer"):
        for place in columns:
            known[place].type = "text"
    else:
        _note_numbers(model, columns, known)
        for inner in inner_models(model, _MEMBERS):
            if getattr(inner, "n_features_in_", len(columns)) == len(columns):
                _visit(inner, columns, names, known)


def _keeps_columns(step: Any, count: int) -> bool:
    """True when column k that goes in is still column k that comes out."""
    if type(step).__name__ == "SimpleImputer":
        kept = np.asarray(step.statistics_)
        is_empty = np.array([value != value for value in kept.tolist()])
        return not step.add_indicator and not is_empty.any()
    return type(step).__name__ in (
        "StandardScaler",
        "MinMaxScaler",
        "MaxAbsScaler",
        "RobustScaler",
        "QuantileTransformer",
        "PowerTransformer",
    )


def _parts(model: Any, names: list[str]) -> Iterator[tuple[Any, list[int]]]:
    places = getattr(model, "_transformer_to_input_indices", {})
    for name, part, columns in model.transformers_:
        if isinstance(part, str):
            continue
        yield part, [int(place) for place in places.get(name, [])] or _resolve(
            columns, names
        )


def _resolve(columns: Any, names: list[str]) -> list[int]:
    if isinstance(columns, str):
        return [names.index(columns)] if columns in names else []
    if isinstance(columns, int):
        return [columns]
    return [names.index(one) for one in columns if one in names]


def _note_categories(encoder: Any, columns: list[int], known: list[Known]) -> None:
    is_closed = getattr(encoder, "handle_unknown", None) == "error"
    for place, categories in zip(columns, encoder.categories_, strict=False):
        values = np.asarray(categories).tolist()
        present = [value for value in values if value is not None and value == value]
        column = known[place]
        column.type = _type_of(present)
        if len(present) <= MAX_VALUES:
            column.values = present
            column.closed = is_closed


def _type_of(values: list[Any]) -> InputType:
    if values and all(isinstance(value, bool) for value in values):
        return "boolean"
    if values and all(isinstance(value, int) for value in values):
        return "integer"
    if values and all(isinstance(value, int | float) for value in values):
        whole = all(float(value).is_integer() for value in values)
        return "integer" if whole else "float"
    return "text"


def _note_numbers(model: Any, columns: list[int], known: list[Known]) -> None:
    for index, place in enumerate(columns):
        count = _item(model, "n_categories_", index)
        if count is not None and count <= MAX_VALUES:  # a CategoricalNB takes no other
            known[place].type, known[place].closed = "integer", True
            known[place].values = list(range(count))
        span = _span(model, index)
        if span is not None and known[place].range is None:
            known[place].range = span
        fill = _item(model, "statistics_", index)
        if isinstance(fill, str):
            known[place].type = "text"


def _span(model: Any, index: int) -> tuple[float, float] | None:
    """About where a column's values lay, as a scaler remembers it."""
    middle, width = _item(model, "mean_", index), _item(model, "scale_", index)
    if isinstance(middle, float) and isinstance(width, float):
        return middle - 3 * width, middle + 3 * width
    low, high = _item(model, "data_min_", index), _item(model, "data_max_", index)
    if isinstance(low, float) and isinstance(high, float):
        return low, high
    rows = remembered_rows(model)
    if rows is not None and rows.shape[1] > index:
        column = rows[:, index]
        return float(column.min()), float(column.max())
    middle = _item(model, "center_", index)
    if isinstance(middle, float) and isinstance(width, float):
        return middle - 3 * width, middle + 3 * width
    return None


def remembered_rows(model: Any) -> Any:
    """Training rows that the model keeps, as neighbours and kernel machines do."""
    for name in ("_fit_X", "X_train_", "support_vectors_", "cluster_centers_"):
        found = getattr(model, name, None)
        if (
            isinstance(found, np.ndarray)
            and found.ndim == 2
            and len(found)
            and found.dtype.kind in "iuf"
            and np.isfinite(found).all()
        ):
            return found
    return None


def _item(model: Any, name: str, index: int) -> Any:
    found = getattr(model, name, None)
    if not isinstance(found, np.ndarray) or found.ndim != 1 or len(found) <= index:
        return None
    return found[index].item() if hasattr(found[index], "item") else found[index]
