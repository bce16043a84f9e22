"""Turns what a predictor gives into the JSON values of the contract."""

from collections.abc import Sequence
from typing import Any

from foretell.models.ports import Outputs, Predictor
from foretell.models.signature import class_names

Answer = dict[str, Any]


def answer_one(predictor: Predictor, prediction: Any, scores: Any) -> Answer:
    """The answer for one row.

    Returns:
        `prediction`, and `probabilities` or `decision` if the model has them: per
        class by its name; a decision between two classes is one number. Models with
        several outputs give lists.
    """
    answer: Answer = {"prediction": prediction}
    kind = predictor.spec.scores
    if scores is None or kind == "none":
        return answer
    if predictor.spec.output_classes is not None:
        answer[kind] = [
            dict(zip(class_names(classes), one, strict=True))
            for classes, one in zip(predictor.spec.output_classes, scores, strict=True)
        ]
    else:
        answer[kind] = _named(predictor.class_names, scores)
    return answer


def answers(predictor: Predictor, outputs: Outputs) -> list[Answer]:
    """The answers for a batch, one per row."""
    predictions = outputs.predictions.tolist()
    scores = _rows(outputs, len(predictions))
    return [
        answer_one(predictor, prediction, score)
        for prediction, score in zip(predictions, scores, strict=True)
    ]


def _rows(outputs: Outputs, count: int) -> Sequence[Any]:
    if outputs.scores is None:
        return [None] * count
    if isinstance(outputs.scores, list):
        return list(zip(*(one.tolist() for one in outputs.scores), strict=True))
    return list(outputs.scores.tolist())


def _named(names: Sequence[str], scores: Sequence[float]) -> Any:
    if len(names) == len(scores):
        return dict(zip(names, scores, strict=True))
    return scores[0] if len(scores) == 1 else list(scores)
