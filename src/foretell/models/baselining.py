"""Makes the baseline of a version from its example rows; in the child that reads them.

A number gets ten bins that hold a tenth of the example each, so that every bin has
enough rows to be compared; one with few different values gets a bin for each of them.
A category gets a bin for each value, unless there are so many that it is rather a text:
of that only being there is kept, since its values may be names of people.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foretell.core.texts import is_storable
from foretell.models.baselines import (
    MAX_INPUTS,
    MAX_OUTPUTS,
    MAX_VALUES,
    PREDICTION,
    Baseline,
    Bins,
    place,
)
from foretell.models.ports import Outputs
from foretell.models.signature import InputField, OutputField, Scalar, Signature

TENTHS = np.arange(1, 10) / 10
FEW_VALUES = 10
MAX_CATEGORIES = 100
_TRUTHS = {"true": True, "false": False}


def measure(
    signature: Signature,
    examples: Mapping[str, Any],
    why: Sequence[str],
    truth: Outputs,
) -> Baseline:
    """The baseline of a model.

    Args:
        examples: Columns of the example under the input names; none without one.
        why: Of each row that the model was tried on, `example` for those of the
            example.
        truth: What it answered to those rows.

    Returns:
        Bins with the counts of the example. Without one, the bins of a predicted
        number come from the other rows and have no counts.
    """
    inputs = []
    for one in signature.inputs[:MAX_INPUTS]:
        column = examples.get(one.name)
        if column is not None and len(column):
            inputs.append(_input_bins(one, list(_plain(column))))
    rows = min((len(column) for column in examples.values()), default=0)
    return Baseline(
        rows, [one for one in inputs if one], _outputs(signature, why, truth)
    )


def _outputs(signature: Signature, why: Sequence[str], truth: Outputs) -> list[Bins]:
    prediction = signature.output(PREDICTION)
    if prediction is None:
        return []
    is_example = np.array([kind == "example" for kind in why], dtype=bool)
    found = np.asarray(truth.predictions)
    tried = found[is_example] if is_example.any() else found
    if prediction.size is None:
        made = [_output_bins(PREDICTION, prediction, tried)]
    else:
        made = [
            _output_bins(f"{PREDICTION}_{index}", prediction, tried[:, index])
            for index in range(min(prediction.size, MAX_OUTPUTS))
        ]
    if is_example.any():
        return made
    return [Bins(one.name, one.kind, one.edges, one.values) for one in made]


def _input_bins(field: InputField, column: list[Any]) -> Bins | None:
    if field.type in ("text", "boolean") or field.values is not None:
        return _category(field.name, field.values, [_as(field.type, v) for v in column])
    if any(isinstance(value, str) for value in column):
        return None  # the example has another type than the model
    return number_bins(field.name, column)


def _output_bins(name: str, field: OutputField, column: Any) -> Bins:
    values = list(_plain(column))
    if field.type in ("text", "boolean") or (field.values and field.size is None):
        return _category(name, field.values, values)
    return number_bins(name, values)


def number_bins(name: str, column: Sequence[float | None]) -> Bins:
    """Bins for numbers, a tenth of them in each as far as they differ.

    Args:
        column: A missing value is None or NaN; infinities are counted in the outer bins.
    """
    there = np.array([v for v in column if not _is_missing(v)], dtype=np.float64)
    finite = there[np.isfinite(there)]
    distinct = np.unique(finite)
    if not len(distinct):
        edges = np.array([], dtype=np.float64)
    elif len(distinct) <= FEW_VALUES:
        # One edge below the smallest, so that a value beyond either end has its own bin.
        below = math.nextafter(float(distinct[0]), -math.inf)
        edges = np.array([below, *distinct]) if math.isfinite(below) else distinct
    else:
        # Edges that are values of the example: between two of them a bin may be empty.
        edges = np.unique(np.quantile(finite, TENTHS, method="inverted_cdf"))
    counts = np.bincount(
        np.searchsorted(edges, there, side="left"), minlength=len(edges) + 1
    )
    missing = len(column) - len(there)
    return Bins(name, "number", edges.tolist(), counts=[*counts.tolist(), missing])


def _category(name: str, known: Sequence[Scalar] | None, column: list[Any]) -> Bins:
    met = Counter(value for value in column if not _is_missing(value))
    values = [value for value in known or met if _is_shown(value)]
    if known is None and len(values) > MAX_CATEGORIES:
        values = []
    # The most frequent ones; of equals the smallest, so that the choice is no chance.
    values.sort(key=lambda value: (-met[value], str(value)))
    values = values[:MAX_VALUES]
    places = place(values)
    counts = [0] * (len(values) + 2)
    for value, count in met.items():
        counts[places.get(value, len(values))] += count
    counts[-1] = len(column) - sum(met.values())
    return Bins(name, "category", values=values, counts=counts)


def _plain(column: Any) -> Sequence[Any]:
    """Python's own values of a column."""
    listed: Sequence[Any] = column.tolist() if hasattr(column, "tolist") else column
    return listed


def _as(kind: str, value: Any) -> Any:
    """A value as a request has it: an example in CSV has numbers where texts are
    meant, and texts for truths where some are missing."""
    if _is_missing(value):
        return value
    if kind == "text":
        return str(value)
    return _TRUTHS.get(value.lower(), value) if isinstance(value, str) else value


def _is_shown(value: Scalar) -> bool:
    return not isinstance(value, str) or is_storable(value)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
