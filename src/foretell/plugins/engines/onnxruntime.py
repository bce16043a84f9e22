"""Answers with ONNX Runtime, from a graph of standard operators.

The graph is the caller's own, or a twin made from a scikit-learn model by skl2onnx or,
for trees, by `tree_graphs.py`. One thread per call: a server answers many rows at
once, and a call of a few microseconds has nothing to share out.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from foretell.models.ports import (
    Batch,
    Candidate,
    CannotConvert,
    EngineSpec,
    Feed,
    LoadedModel,
    Outputs,
)
from foretell.models.signature import Scalar, Signature, class_names

Array = npt.NDArray[Any]
_DTYPES: dict[str, Any] = {
    "float32": np.float32,
    "float64": np.float64,
    "int64": np.int64,
    "int32": np.int32,
    "bool": np.bool_,
    "object": object,
}


class OnnxRuntimeEngine:
    """Twins as ONNX graphs."""

    name = "onnxruntime"

    def candidates(self, model: LoadedModel) -> Iterator[Candidate | CannotConvert]:
        own = getattr(model.native, "candidates", None)
        if own is not None:
            yield from own()
            return
        if model.verdict.format in ("xgboost", "lightgbm"):
            from foretell.plugins.engines.booster_twins import booster_twins

            yield from booster_twins(model.native, model)
            return
        from foretell.plugins.engines.onnx_twins import twins

        yield from twins(model)

    def open(
        self, spec: EngineSpec, signature: Signature, data: bytes
    ) -> "OnnxRuntimePredictor":
        return OnnxRuntimePredictor(data, signature, spec)


def session(data: bytes) -> Any:
    """An inference session with one thread that touches no file."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


class OnnxRuntimePredictor:
    """One graph behind the predictor port."""

    def __init__(self, data: bytes, signature: Signature, spec: EngineSpec) -> None:
        self.spec = spec
        self.columns = signature.names
        self.class_names = class_names(spec.classes)
        self._session = session(data)
        self._run: Callable[..., list[Any]] = self._session.run
        self._wanted = [spec.label] + ([spec.score] if spec.score else [])
        self._is_float = not spec.classes and spec.output_classes is None
        self._labels: dict[Scalar, Scalar] | None = None
        if spec.raw_labels is not None:
            self._labels = dict(zip(spec.raw_labels, spec.classes, strict=True))
        one = spec.score_column
        self._kept = slice(None) if one is None else slice(one, one + 1)
        self._single = self._only_feed(spec.feeds)
        self._fillers = [_filler(feed) for feed in spec.feeds]
        self._may_miss = any(field.nullable for field in signature.inputs)

    def _only_feed(self, feeds: Sequence[Feed]) -> tuple[str, Any] | None:
        """Name and type of the one tensor that takes all columns in order."""
        if len(feeds) != 1 or feeds[0].rank != 2 or feeds[0].dtype == "object":
            return None
        if list(feeds[0].columns) != list(range(len(self.columns))):
            return None
        return feeds[0].name, _DTYPES[feeds[0].dtype]

    def predict(self, batch: Batch) -> Outputs:
        feed = {one.name: self._tensor(one, batch) for one in self.spec.feeds}
        found = self._run(self._wanted, feed)
        predictions = np.asarray(found[0])
        if predictions.ndim == 2 and self.spec.size is None:
            predictions = predictions.reshape(len(predictions))
        predictions = self._relabelled(predictions)
        if self.spec.score is None:
            return Outputs(predictions)
        scores = np.asarray(found[1], dtype=np.float64)
        scores = scores[:, None] if scores.ndim == 1 else scores
        return Outputs(predictions, scores[:, self._kept])

    def predict_one(self, values: Sequence[Any]) -> tuple[Any, list[Any] | None]:
        if self._single is not None:
            name, dtype = self._single
            # numpy reads None as NaN in a float array.
            feed = {name: np.array([values], dtype=dtype)}
        else:
            feed = {
                one.name: fill([values[place] for place in one.columns])
                for one, fill in zip(self.spec.feeds, self._fillers, strict=True)
            }
        found = self._run(self._wanted, feed)
        label = found[0].tolist()[0]
        if isinstance(label, list) and self.spec.size is None:
            label = label[0]
        if self._labels is not None:
            label = self._labels[label]
        elif self._is_float and self.spec.size is None and isinstance(label, float):
            label = float(label)
        if self.spec.score is None:
            return label, None
        scores = found[1].tolist()[0]
        return label, scores[self._kept] if isinstance(scores, list) else [scores]

    def _relabelled(self, predictions: Array) -> Array:
        if self._labels is None:
            if predictions.dtype.kind == "f":
                return predictions.astype(np.float64)
            return predictions
        labels = [self._labels[label] for label in predictions.tolist()]
        return (
            np.array(labels, dtype=object if isinstance(labels[0], str) else None)
            if labels
            else predictions
        )

    def _tensor(self, feed: Feed, batch: Batch) -> Array:
        columns = [batch[self.columns[place]] for place in feed.columns]
        if feed.dtype == "object":
            tensor = np.array(
                [["" if _is_missing(v) else str(v) for v in one] for one in columns],
                dtype=object,
            ).T
        elif len(columns) == 1:
            tensor = np.asarray(columns[0]).astype(_DTYPES[feed.dtype])[:, None]
        else:
            tensor = np.column_stack(
                [np.asarray(one).astype(_DTYPES[feed.dtype]) for one in columns]
            )
        return tensor if feed.rank == 2 else tensor[:, 0]


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _filler(feed: Feed) -> Callable[[list[Any]], Array]:
    """What makes one row's tensor from its values."""
    dtype = _DTYPES[feed.dtype]
    if feed.dtype == "object":

        def text(values: list[Any]) -> Array:
            row = ["" if value is None else value for value in values]
            return np.array([row] if feed.rank == 2 else row, dtype=object)

        return text

    def numbers(values: list[Any]) -> Array:
        return np.array([values] if feed.rank == 2 else values, dtype=dtype)

    return numbers
