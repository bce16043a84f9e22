"""Rows in, bytes out: what every way of predicting has in common.

The same object answers on the event loop, in a thread and in the model host, so the
answer is the same wherever it is made.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from foretell.errors import ForetellError
from foretell.models.answers import Answer, answer_one, answers
from foretell.models.ports import Batch, Predictor
from foretell.models.signature import Signature, class_name
from foretell.predictions.decoding import Row, RowDecoder
from foretell.predictions.errors import ModelFailed


class Answerer:
    """Answers request bodies with one model version.

    Args:
        model, version: What the answers say made them.
    """

    def __init__(
        self, model: str, version: int, signature: Signature, predictor: Predictor
    ) -> None:
        self._decoder = RowDecoder(signature)
        self._predictor = predictor
        self._names = signature.names
        self.signature = signature
        self.decode = self._decoder.decode
        head = orjson.dumps({"model": model, "version": version})
        self._head = head[:-1] + b',"predictions":'

    def answer(self, rows: Sequence[Row], *, is_single: bool = False) -> bytes:
        """The body of the answer.

        Args:
            is_single: Repeat the answer of one row at the top level, as
                `prediction` and `probability`.

        Raises:
            ModelFailed: The model raised an error.
        """
        return self._encoded(self._predict(rows), is_single)

    def answer_batch(
        self, batch: Batch, count: int, *, is_single: bool = False
    ) -> bytes:
        """The body of the answer to columns that are checked already."""
        return self._encoded(self._predict_batch(batch) if count else [], is_single)

    def _encoded(self, found: list[Answer], is_single: bool) -> bytes:
        body = self._head + orjson.dumps(found)
        if is_single and len(found) == 1:
            return body + b"," + orjson.dumps(_top_level(found[0]))[1:]
        return body + b"}"

    def _predict(self, rows: Sequence[Row]) -> list[Answer]:
        if len(rows) != 1:
            if not rows:
                return []
            columns = zip(*rows, strict=True)
            batch = {n: list(c) for n, c in zip(self._names, columns, strict=True)}
            return self._predict_batch(batch)
        predictor = self._predictor
        try:
            return [answer_one(predictor, *predictor.predict_one(rows[0]))]
        except Exception as error:
            raise _failed(error) from error

    def _predict_batch(self, batch: Batch) -> list[Answer]:
        try:
            return answers(self._predictor, self._predictor.predict(batch))
        except Exception as error:
            raise _failed(error) from error


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
