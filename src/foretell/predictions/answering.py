"""Rows in, bytes out: what every way of predicting has in common.

The same object answers on the event loop, in a thread and in the model host, so the
answer is the same wherever it is made. Arrays and Arrow streams are read and written
by modules that load data libraries, so these are found by name when one comes.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson

from foretell.errors import ForetellError
from foretell.models.answers import Answer, answer_one, answers
from foretell.models.ports import Batch, Outputs, Predictor
from foretell.models.signature import Signature, class_name
from foretell.predictions.decoding import Row, RowDecoder, Table
from foretell.predictions.errors import ModelFailed
from foretell.predictions.forms import PLAIN, Form

if TYPE_CHECKING:
    from foretell.predictions.feature_frames import RecordFeatures

Rows = Sequence[Row] | Table
_NPY = "foretell.predictions.npy_bodies"
_ARROW = "foretell.predictions.arrow_bodies"


class Answerer:
    """Answers request bodies with one model version.

    Args:
        model, version: What the answers say made them.
        records: Makes the inputs of raw records in Arrow streams, in the host of a
            version that is bound to a feature set.
    """

    def __init__(
        self,
        model: str,
        version: int,
        signature: Signature,
        predictor: Predictor,
        records: "RecordFeatures | None" = None,
    ) -> None:
        self._decoder = RowDecoder(signature)
        self._predictor = predictor
        self._names = signature.names
        self._records = records
        self.signature = signature
        self.decode = self._decoder.decode
        head = orjson.dumps({"model": model, "version": version})
        self._head = head[:-1] + b',"predictions":'

    def read(self, body: bytes, form: Form) -> Rows:
        """The rows of a body.

        Raises:
            RowsInvalid: They do not fit the signature.
        """
        if form.kind == "json":
            return self.decode(body, names_model=form.is_any)
        found: Table
        if form.kind == "npy":
            found = _named(_NPY, "read_npy")(self.signature, body)
        else:
            found = _named(_ARROW, "read_arrow")(self.signature, body, self._records)
        return found

    def answer(self, rows: Rows, form: Form = PLAIN) -> bytes:
        """The body of the answer.

        Raises:
            ModelFailed: The model raised an error.
        """
        if form.output is not None:
            return self._array(rows, form.output)
        found = self._predict(rows)
        body = self._head + orjson.dumps(found)
        if form.is_any and len(found) == 1:
            return body + b"," + orjson.dumps(_top_level(found[0]))[1:]
        return body + b"}"

    def _array(self, rows: Rows, output: str) -> bytes:
        found = self._outputs(self._batch(rows)) if len(rows) else None
        write = _named(_NPY, "write_npy")
        body: bytes = write(self.signature, found, output)
        return body

    def _predict(self, rows: Rows) -> list[Answer]:
        if not len(rows):
            return []
        predictor = self._predictor
        if isinstance(rows, Table) or len(rows) > 1:
            found = self._outputs(self._batch(rows))
            return answers(predictor, found)
        try:
            return [answer_one(predictor, *predictor.predict_one(rows[0]))]
        except Exception as error:
            raise _failed(error) from error

    def _batch(self, rows: Rows) -> Batch:
        if isinstance(rows, Table):
            return rows.batch
        columns = zip(*rows, strict=True)
        return {n: list(c) for n, c in zip(self._names, columns, strict=True)}

    def _outputs(self, batch: Batch) -> Outputs:
        try:
            return self._predictor.predict(batch)
        except Exception as error:
            raise _failed(error) from error


def count_differences(one: bytes, other: bytes, output: str) -> int:
    """Rows for which two answers that are arrays of `output` differ."""
    found: int = _named(_NPY, "count_differences")(one, other, output)
    return found


def read_records(names: Sequence[str], body: bytes) -> list[dict[str, Any]]:
    """The raw records of a `.npy` body (`npy_bodies.py`)."""
    found: list[dict[str, Any]] = _named(_NPY, "read_records")(names, body)
    return found


@cache
def _named(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def _failed(error: Exception) -> ForetellError:
    # Whatever a model raises on rows that fit its signature is about the rows; the
    # message may quote a value, so only the type is told.
    if isinstance(error, ForetellError):
        return error
    return ModelFailed(type(error).__name__)


def _top_level(answer: Answer) -> dict[str, Any]:
    prediction = answer["prediction"]
    probabilities = answer.get("probabilities")
    probability = None
    if isinstance(probabilities, dict) and not isinstance(prediction, list):
        probability = probabilities.get(class_name(prediction))
    return {"prediction": prediction, "probability": probability}
