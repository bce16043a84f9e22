"""A row has the same answer, bit for bit, alone and among others."""

from typing import Any

import numpy as np
import pytest

from foretell.models.ports import EngineSpec
from foretell.models.signature import InputField, Signature
from foretell.plugins.engines.linear import Kernel, LinearPredictor

WIDTH, ROWS = 30, 2_000
KINDS: list[tuple[str, list[Any], str, int]] = [
    ("identity", [], "none", 1),
    ("sigmoid", ["no", "yes"], "probabilities", 1),
    ("decision", ["no", "yes"], "decision", 1),
    ("softmax", ["a", "b", "c"], "probabilities", 3),
]


@pytest.mark.parametrize(("link", "classes", "scores", "count"), KINDS)
@pytest.mark.parametrize("spread", [1.0, 300.0])
def test_a_row_has_one_answer(
    link: Any, classes: list[Any], scores: Any, count: int, spread: float
) -> None:
    chosen = np.random.default_rng(7)
    kernel = Kernel(
        link,
        shift=chosen.normal(size=WIDTH).tolist(),
        scale=(1 + chosen.random(WIDTH)).tolist(),
        fill=None,
        weights=(spread * chosen.normal(size=(count, WIDTH))).tolist(),
        bias=chosen.normal(size=count).tolist(),
    )
    signature = Signature([InputField(f"x{n}", "float") for n in range(WIDTH)], [])
    spec = EngineSpec(engine="linear", scores=scores, classes=classes)
    predictor = LinearPredictor(kernel, signature, spec)
    rows = chosen.normal(size=(ROWS, WIDTH))

    def batch(part: Any) -> Any:
        return predictor.predict({f"x{n}": part[:, n] for n in range(WIDTH)})

    whole = batch(rows)
    alone = [predictor.predict_one(row.tolist()) for row in rows]
    assert [prediction for prediction, _ in alone] == whole.predictions.tolist()
    pieces = [batch(rows[at : at + 7]) for at in range(0, ROWS, 7)]
    assert [p for one in pieces for p in one.predictions] == list(whole.predictions)
    if whole.scores is not None:
        assert [found for _, found in alone] == whole.scores.tolist()
        assert [s for one in pieces for s in one.scores.tolist()] == (
            whole.scores.tolist()
        )
