"""Which tensors a model takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foretell.models.signature import InputField, OutputField, Signature
from foretell.predictions.inference_protocol.datatypes import OWN

MATRIX = "input"
PREDICTION = "prediction"


@dataclass(frozen=True, slots=True)
class InputTensor:
    """One tensor of a request: one column, or all of them side by side."""

    name: str
    datatype: str
    fields: Sequence[InputField]

    @property
    def metadata(self) -> dict[str, Any]:
        shape = [-1, len(self.fields)]
        document: dict[str, Any] = {
            "name": self.name,
            "datatype": self.datatype,
            "shape": shape,
        }
        if self.name == MATRIX and len(self.fields) > 1:
            names = [field.name for field in self.fields]
            document["parameters"] = {"columns": names}
        return document


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One tensor of an answer.

    Attributes:
        width: Values of each row; `None` for one that stands alone.
        labels: What they stand for, such as classes.
    """

    name: str
    datatype: str
    width: int | None
    labels: Sequence[Any] | None

    @property
    def metadata(self) -> dict[str, Any]:
        shape = [-1] if self.width is None else [-1, self.width]
        document: dict[str, Any] = {
            "name": self.name,
            "datatype": self.datatype,
            "shape": shape,
        }
        if self.labels is not None:
            document["parameters"] = {"labels": list(self.labels)}
        return document

    def shape(self, rows: int) -> list[int]:
        return [rows] if self.width is None else [rows, self.width]


def inputs_of(signature: Signature) -> list[InputTensor]:
    """One tensor where all inputs are numbers of one type, else one for each."""
    types = {field.type for field in signature.inputs}
    if len(types) == 1 and types <= {"integer", "float"}:
        return [InputTensor(MATRIX, OWN[types.pop()], signature.inputs)]
    return [
        InputTensor(field.name, OWN[field.type], [field]) for field in signature.inputs
    ]


def outputs_of(signature: Signature) -> list[OutputTensor]:
    """A tensor for each output that has one shape."""
    return [
        OutputTensor(
            output.name,
            OWN[output.type],
            _width(output, signature),
            output.values,
        )
        for output in signature.outputs
        if output.name == PREDICTION or not _is_many(signature)
    ]


def _is_many(signature: Signature) -> bool:
    """Whether there are several predictions a row, each with scores of its own."""
    prediction = signature.output(PREDICTION)
    return prediction is not None and prediction.size is not None


def _width(output: OutputField, signature: Signature) -> int | None:
    if output.name == PREDICTION:
        return output.size
    return None if output.values is None else len(output.values)
