"""Answers with the library's own object: the truth, and the engine of last resort.

Only sandboxed children use it: the object came from a pickle.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from foretell.models.ports import Batch, EngineSpec, Outputs, Scores
from foretell.models.signature import InputField, Signature, class_names

Array = npt.NDArray[Any]


class NativePredictor:
    """A scikit-learn estimator behind the predictor port.

    Args:
        is_named: The estimator was fitted on a frame and is given one.
    """

    def __init__(
        self, model: Any, signature: Signature, spec: EngineSpec, *, is_named: bool
    ) -> None:
        self.spec = spec
        self.columns = signature.names
        self.class_names = class_names(spec.classes)
        self._model = model
        self._inputs = signature.inputs
        self._is_named = is_named
        self._takes_texts = not is_named and not hasattr(model, "n_features_in_")

    def predict(self, batch: Batch) -> Outputs:
        rows = self._rows(batch)
        found = getattr(self._model, self.spec.method)(rows)
        # An encoder's answer may be a sparse matrix, with few values in each row.
        predictions = np.asarray(
            found.toarray() if hasattr(found, "toarray") else found
        )
        if predictions.ndim == 2 and predictions.shape[1] == 1:
            predictions = predictions[:, 0]
        if self.spec.size is not None and predictions.ndim == 1:
            # The answer of a SparsePCA to a single row has lost that dimension.
            predictions = predictions.reshape(-1, self.spec.size)
        scores = scores_of(
            self._model, rows, self.spec.scores, is_many=predictions.ndim == 2
        )
        return Outputs(predictions, scores)

    def predict_one(self, values: Sequence[Any]) -> tuple[Any, list[Any] | None]:
        batch = {
            name: [value] for name, value in zip(self.columns, values, strict=True)
        }
        outputs = self.predict(batch)
        prediction = outputs.predictions[:1].tolist()[0]
        if outputs.scores is None:
            return prediction, None
        if isinstance(outputs.scores, list):
            return prediction, [one[0].tolist() for one in outputs.scores]
        return prediction, outputs.scores[0].tolist()

    def _rows(self, batch: Batch) -> Any:
        columns = [column(batch[field.name], field) for field in self._inputs]
        if self._is_named:
            frame = dict(zip(self.columns, columns, strict=True))
            return pd.DataFrame(frame, columns=list(self.columns))
        if self._takes_texts:
            return columns[0]
        if any(field.type == "text" for field in self._inputs):
            return np.column_stack([np.asarray(one, dtype=object) for one in columns])
        return np.column_stack([np.asarray(one, dtype=np.float64) for one in columns])


def column(values: Any, field: InputField) -> Any:
    """One column in the form a data scientist's frame would have it."""
    if field.type == "text":
        return [None if _is_missing(value) else value for value in values]
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    if any(value is None for value in values):
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    dtype = {"integer": np.int64, "boolean": np.bool_}.get(field.type, np.float64)
    return np.array(values, dtype=dtype)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def scores_of(model: Any, rows: Any, kind: Scores, *, is_many: bool) -> Any:
    """Probabilities or decision values as float64, one column per class.

    A multi-label estimator gives one probability per label; it is spread over the
    label's two classes, so that all models with several outputs look alike.

    Args:
        is_many: The model has several outputs.
    """
    if kind == "none":
        return None
    if kind == "decision":
        scores = np.asarray(model.decision_function(rows), dtype=np.float64)
        return scores[:, None] if scores.ndim == 1 else scores
    given = model.predict_proba(rows)
    if isinstance(given, list):
        each = [np.asarray(one, dtype=np.float64) for one in given]
        return each if is_many else each[0]
    scores = np.asarray(given, dtype=np.float64)
    if is_many:
        return [np.column_stack([1 - one, one]) for one in scores.T]
    return scores
