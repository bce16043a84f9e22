"""A flavour of a team's own: JSON that holds the weights of a sum."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foretell.models.gate.verdict import Verdict
from foretell.models.ports import Batch, EngineSpec, LoadedModel, Outputs, Terms
from foretell.models.signature import InputField, OutputField, Signature


class WeightedSum:
    """Predicts a weighted sum of its inputs."""

    class_names: tuple[str, ...] = ()

    def __init__(self, weights: dict[str, float], spec: EngineSpec) -> None:
        self.spec = spec
        self.columns = tuple(weights)
        self._weights = weights

    def predict(self, batch: Batch) -> Outputs:
        columns = [
            np.asarray(batch[name], dtype=float) * weight
            for name, weight in self._weights.items()
        ]
        return Outputs(np.sum(columns, axis=0))

    def predict_one(self, values: Sequence[Any]) -> tuple[Any, list[Any] | None]:
        pairs = zip(self._weights.values(), values, strict=True)
        return float(sum(weight * value for weight, value in pairs)), None


class SumFlavour:
    """Files that begin with `{"sum":`."""

    name = "sum"

    def recognises(self, head: bytes, filename: str) -> bool:
        return head.startswith(b'{"sum":')

    def load(
        self, path: Path, terms: Terms, examples: Batch | None = None
    ) -> LoadedModel:
        weights = json.loads(path.read_text())["sum"]
        inputs = [InputField(name, "float") for name in weights]
        spec = EngineSpec("native", "none", [])
        return LoadedModel(
            native=weights,
            signature=Signature(inputs, [OutputField("prediction", "float")]),
            predictor=WeightedSum(weights, spec),
            verdict=Verdict("safe", "json"),
        )

    def open(
        self, path: Path, signature: Signature, spec: EngineSpec, terms: Terms
    ) -> WeightedSum:
        return WeightedSum(json.loads(path.read_text())["sum"], spec)
