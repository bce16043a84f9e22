"""Rows in, bytes out: what every way of predicting has in common.

The same object answers on the event loop, in a thread and in the model host, so the
answer is the same wherever it is made.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from foretell.errors import ForetellError
from foretell.models.answers import Answer, answer_one, answers
from foretell.models.ports import Predictor
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
        found = self._predict(rows)
        body = self._head + orjson.dumps(found)
        if is_single and len(found) == 1:
            return body + b"," + orjson.dumps(_top_level(found[0]))[1:]
        return body + b"}"

    def _predict(self, rows: Sequence[Row]) -> list[Answer]:
        predictor = self._predictor
        try:
            if len(rows) == 1:
                return [answer_one(predictor, *predictor.predict_one(rows[0]))]
            if not rows:
                return []
            columns = zip(*rows, strict=True)
            batch = {n: list(c) for n, c in zip(self._names, columns, strict=True)}
            return answers(predictor, predictor.predict(batch))
        except ForetellError:
            raise
        except Exception as error:
            # Whatever a model raises on rows that fit its signature is about the
            # rows; the message may quote a value, so only its type is told.
            raise ModelFailed(type(error).__name__) from error


def _top_level(answer: Answer) -> dict[str, Any]:
    prediction = answer["prediction"]
    probabilities = answer.get("probabilities")
    probability = None
    if isinstance(probabilities, dict) and not isinstance(prediction, list):
        probability = probabilities.get(class_name(prediction))
    return {"prediction": prediction, "probability": probability}
