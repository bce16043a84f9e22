"""Answers with XGBoost's or LightGBM's own library: the truth for files of theirs.

Only sandboxed children use it. The library gets bytes that were written from a
checked file, and one thread, since a server answers many rows at once.
"""

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.models.errors import ModelUnreadable, ModelUnusable
from foretell.models.ports import Batch, EngineSpec, Outputs
from foretell.models.signature import Scalar, Signature, class_names
from foretell.plugins.estimators.boosted import Boosted

Array = npt.NDArray[Any]
Score = Callable[[Array], Array]


def library(name: str) -> Any:
    """The library that loads the files of a flavour.

    Raises:
        ModelUnusable: It is not installed; the extra that brings it is named.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelUnusable(
            f"This server has no {name}. Install it: pip install 'foretell[{name}]'."
        ) from error


def scorer(boosted: Boosted) -> Score:
    """What gives the library's scores for a matrix of rows.

    Returns:
        Takes float64 rows, a missing value as NaN; gives one score a row, or an
        array `(rows, outputs)`.

    Raises:
        ModelUnusable: The library is missing.
        ModelUnreadable: The library itself does not load the checked file.
    """
    module = library(boosted.library)
    try:
        if boosted.library == "xgboost":
            return _xgboost(module, boosted)
        return _lightgbm(module, boosted)
    except _error_of(module) as error:
        first = str(error).strip().split("\n")[0][-300:]
        raise ModelUnreadable(
            f"{boosted.library} {module.__version__} does not load the file: {first}"
        ) from error


def _error_of(module: Any) -> type[Exception]:
    """What the library raises, whatever is wrong."""
    found: type[Exception] = (
        module.core.XGBoostError
        if module.__name__ == "xgboost"
        else module.basic.LightGBMError
    )
    return found


def xgboost_booster(module: Any, data: bytes) -> Any:
    """A booster of one thread from a checked file."""
    with module.config_context(verbosity=0):
        booster = module.Booster({"nthread": 1})
        booster.load_model(bytearray(data))
        booster.set_param({"nthread": 1})
    return booster


def _xgboost(module: Any, boosted: Boosted) -> Score:
    booster = xgboost_booster(module, boosted.data)
    kinds = booster.feature_types
    rounds = (0, boosted.rounds or 0)
    # A linear booster is not safe to call from two threads.
    lock = threading.Lock()
    has_classes = boosted.objective == "multi:softmax"

    def score(rows: Array) -> Array:
        data = module.DMatrix(
            rows.astype(np.float32),
            missing=np.nan,
            feature_types=kinds,
            enable_categorical=kinds is not None and "c" in kinds,
            nthread=1,
        )
        with lock:
            # softmax gives the label alone; the margins tell the rest.
            found = booster.predict(
                data,
                iteration_range=rounds,
                validate_features=False,
                output_margin=has_classes,
            )
        return np.asarray(_softmax(found) if has_classes else found, dtype=np.float64)

    return score


def _softmax(margins: Array) -> Array:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _lightgbm(module: Any, boosted: Boosted) -> Score:
    booster = module.Booster(model_str=boosted.data.decode())

    def score(rows: Array) -> Array:
        found = booster.predict(rows, num_threads=1, validate_features=False)
        return np.asarray(found, dtype=np.float64)

    return score


class BoosterPredictor:
    """A booster behind the predictor port.

    Args:
        codes: Per column of categories the number that stands for each of them.
    """

    def __init__(
        self, boosted: Boosted, signature: Signature, spec: EngineSpec
    ) -> None:
        self.spec = spec
        self.columns = signature.names
        self.class_names = class_names(spec.classes)
        self._form = boosted.form
        self._codes = boosted.codes
        self._score = scorer(boosted)

    def predict(self, batch: Batch) -> Outputs:
        rows = np.column_stack(
            [
                self._column(place, batch[name])
                for place, name in enumerate(self.columns)
            ]
        )
        found = self._score(rows)
        if self._form == "value":
            return Outputs(found.reshape(len(rows)))
        if self._form == "values":
            return Outputs(found.reshape(len(rows), -1))
        if self._form == "labels":
            return Outputs(self._labels(found.reshape(len(rows)) > 0.5))
        if self._form == "multilabel":
            several = found.reshape(len(rows), -1)
            pairs = [np.column_stack([1 - one, one]) for one in several.T]
            return Outputs((several > 0.5).astype(np.int64), pairs)
        if self._form == "multiclass":
            return Outputs(self._labels(found.argmax(axis=1)), found)
        chances = found.reshape(len(rows))
        scores = np.column_stack([1 - chances, chances])
        return Outputs(self._labels(chances > 0.5), scores)

    def predict_one(self, values: Sequence[Any]) -> tuple[Any, list[Any] | None]:
        pairs = zip(self.columns, values, strict=True)
        outputs = self.predict({name: [value] for name, value in pairs})
        prediction = outputs.predictions[:1].tolist()[0]
        if outputs.scores is None:
            return prediction, None
        if isinstance(outputs.scores, list):
            return prediction, [one[0].tolist() for one in outputs.scores]
        return prediction, outputs.scores[0].tolist()

    def _labels(self, places: Array) -> Array:
        return np.asarray(self.spec.classes)[places.astype(np.int64)]

    def _column(self, place: int, values: Any) -> Array:
        codes = self._codes.get(place)
        if codes is not None:
            return np.array([_code(codes, one) for one in values], dtype=np.float64)
        if isinstance(values, np.ndarray) and values.dtype != object:
            return values.astype(np.float64)
        numbers = [np.nan if one is None else one for one in values]
        return np.array(numbers, dtype=np.float64)


def _code(codes: Mapping[Scalar, int], value: Any) -> float:
    """The number of a category; missing for one that training has not seen."""
    value = value.item() if isinstance(value, np.generic) else value
    return float(codes.get(value, np.nan))
