"""Answers for linear models with one dot product in double precision.

A linear model needs no runtime: the coefficients are the model. The twin is a small
file of numbers, exact to the last few bits, and one row costs about a microsecond.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from foretell.models.ports import (
    Batch,
    Candidate,
    CannotConvert,
    EngineSpec,
    LoadedModel,
    Outputs,
)
from foretell.models.signature import Scalar, Signature, class_names

_LEAST_PLAIN = -700.0  # below, e to its negative is beyond a float
Numbers = npt.NDArray[np.float64]
Link = Literal["identity", "sigmoid", "softmax", "decision"]
_CLASSIFIERS = ("LogisticRegression", "LogisticRegressionCV")
_JUDGES = (
    "LinearSVC",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "Perceptron",
    "SGDClassifier",
)
_REGRESSORS = [
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "LinearSVR",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
]


class Kernel(msgspec.Struct, frozen=True):
    """A linear model as numbers.

    Attributes:
        shift, scale: The standardised input is `(x - shift) / scale`.
        fill: What stands in for a missing value; None if none may be missing.
        weights: One row per score, one weight per input; `bias` per score.
    """

    link: Link
    shift: list[float]
    scale: list[float]
    fill: list[float] | None
    weights: list[list[float]]
    bias: list[float]


class LinearEngine:
    """Twins of linear models as plain numbers."""

    name = "linear"

    def candidates(self, model: LoadedModel) -> Iterator[Candidate | CannotConvert]:
        if model.verdict.format in ("onnx", "xgboost", "lightgbm"):
            return
        try:
            kernel = _kernel(model)
        except CannotConvert:
            return  # most models are not linear; that is not worth a line
        truth = model.predictor.spec
        spec = EngineSpec(engine=self.name, scores=truth.scores, classes=truth.classes)
        data = msgspec.msgpack.encode(kernel)
        yield Candidate(spec=spec, data=data, variant="double", suffix=".linear")

    def open(
        self, spec: EngineSpec, signature: Signature, data: bytes
    ) -> "LinearPredictor":
        kernel = msgspec.msgpack.decode(data, type=Kernel)
        return LinearPredictor(kernel, signature, spec)


def _kernel(model: LoadedModel) -> Kernel:
    from foretell.plugins.estimators.columns import steps_of

    if any(field.type == "text" for field in model.signature.inputs):
        raise CannotConvert("There are text columns.")
    if model.predictor.spec.size is not None:
        raise CannotConvert("There are several outputs.")
    *before, final = steps_of(model.native)
    width = len(model.signature.inputs)
    scaling = _scaling(before, width)
    link = _link(final, model)
    weights = np.atleast_2d(np.asarray(final.coef_, dtype=np.float64))
    bias = np.atleast_1d(np.asarray(final.intercept_, dtype=np.float64))
    if weights.shape[1] != width or not np.isfinite(weights).all():
        raise CannotConvert("There are other columns between the inputs and the model.")
    bias = np.broadcast_to(bias, (len(weights),))
    return Kernel(link, *scaling, weights.tolist(), bias.tolist())


def _link(final: Any, model: LoadedModel) -> Link:
    name, scores = type(final).__name__, model.predictor.spec.scores
    if type(final).__module__.split(".")[0] != "sklearn":
        raise CannotConvert("Not a linear model of scikit-learn.")
    if name in _REGRESSORS and scores == "none":
        return "identity"
    if name in _JUDGES and scores == "decision":
        return "decision"
    if name in _CLASSIFIERS and scores == "probabilities":
        return "sigmoid" if len(final.coef_) == 1 else "softmax"
    raise CannotConvert("Not a linear model.")


def _scaling(
    before: Sequence[Any], width: int
) -> tuple[list[float], list[float], list[float] | None]:
    shift, scale = np.zeros(width), np.ones(width)
    fill: Numbers | None = None
    for step in before:
        name = type(step).__name__
        if (
            name == "SimpleImputer"
            and fill is None
            and not step.add_indicator
            and not shift.any()
        ):
            fill = np.asarray(step.statistics_, dtype=np.float64)
            if (
                fill.shape != (width,)
                or np.isnan(fill).any()
                or step.missing_values == step.missing_values
            ):
                raise CannotConvert("An imputer drops columns.")
        elif name == "StandardScaler" and not shift.any() and (scale == 1).all():
            shift = np.zeros(width) if step.mean_ is None else np.asarray(step.mean_)
            scale = np.ones(width) if step.scale_ is None else np.asarray(step.scale_)
        else:
            raise CannotConvert("A step is not a plain scaler.")
    if shift.shape != (width,) or scale.shape != (width,):
        raise CannotConvert("A scaler has another width.")
    return shift.tolist(), scale.tolist(), None if fill is None else fill.tolist()


class LinearPredictor:
    """One kernel behind the predictor port."""

    def __init__(self, kernel: Kernel, signature: Signature, spec: EngineSpec) -> None:
        self.spec = spec
        self.columns = signature.names
        self.class_names = class_names(spec.classes)
        self._classes: list[Scalar] = spec.classes
        self._labels = np.array(spec.classes)
        self._link = kernel.link
        self._shift = np.array(kernel.shift)
        self._scale = np.array(kernel.scale)
        self._is_scaled = bool(self._shift.any() or (self._scale != 1).any())
        self._fill = None if kernel.fill is None else np.array(kernel.fill)
        self._weights = np.array(kernel.weights).T.copy()
        self._bias = np.array(kernel.bias)
        self._sums = list(zip(kernel.weights, kernel.bias, strict=True))

    def predict(self, batch: Batch) -> Outputs:
        columns = [np.asarray(batch[name]).astype(np.float64) for name in self.columns]
        raw = self._raw(np.column_stack(columns))
        if self._link == "identity":
            return Outputs(raw[:, 0])
        is_one = raw.shape[1] == 1
        chosen = (raw[:, 0] > 0).astype(np.intp) if is_one else raw.argmax(axis=1)
        return Outputs(self._labels[chosen], self._scores(raw))

    def predict_one(self, values: Sequence[Any]) -> tuple[Any, list[Any] | None]:
        row = self._prepared(np.array(values, dtype=np.float64)).tolist()
        raw = [_sum(row, weights, bias) for weights, bias in self._sums]
        if len(raw) > 1:
            scores = self._scores(np.array([raw]))[0].tolist()
            return self._classes[raw.index(max(raw))], scores
        value = raw[0]
        if self._link == "identity":
            return value, None
        label = self._classes[value > 0]
        if self._link == "decision":
            return label, [value]
        if value < _LEAST_PLAIN:
            return label, self._scores(np.array([raw]))[0].tolist()
        # Of numpy, as in a batch: the one of `math` rounds in another way.
        positive = 1.0 / (1.0 + float(np.exp(-value)))
        return label, [1.0 - positive, positive]

    def _raw(self, rows: Numbers) -> Numbers:
        """The scores of rows, each added up in the order of the columns.

        Not by a product of matrices: how that rounds depends on how many rows there
        are, and a row has the same answer in a batch and alone.
        """
        rows = self._prepared(rows)
        raw = np.tile(self._bias, (len(rows), 1))
        for column, weights in zip(rows.T, self._weights, strict=True):
            raw += column[:, None] * weights
        return raw

    def _prepared(self, rows: Numbers) -> Numbers:
        if self._fill is not None:
            rows = np.where(np.isnan(rows), self._fill, rows)
        if self._is_scaled:
            rows = (rows - self._shift) / self._scale
        return rows

    def _scores(self, raw: Numbers) -> Numbers:
        if self._link == "sigmoid":
            with np.errstate(over="ignore"):
                positive = 1.0 / (1.0 + np.exp(-raw[:, 0]))
            return np.column_stack([1.0 - positive, positive])
        if self._link == "softmax":
            shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
            return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
        return raw


def _sum(row: Sequence[float], weights: Sequence[float], bias: float) -> float:
    # Not `sum`: it rounds in another way from Python 3.12 on.
    for value, weight in zip(row, weights, strict=True):
        bias += value * weight
    return bias
