"""A model version's typed inputs and outputs.

The same values describe a model to the console, to the JSON Schema of its rows, to
the generated decoder of the fast path and to the engines, so this module imports no
data library.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

InputType = Literal["boolean", "integer", "float", "text"]
OutputType = Literal["boolean", "integer", "float", "text"]
Scalar = bool | int | float | str

MAX_VALUES = 1000  # longer lists of categories are cut off and left open


class InputField(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input column.

    Attributes:
        name: As the model was fitted, or `x0`, `x1`, … when it has no names.
        nullable: The model itself gives an answer when the value is missing.
        values: Known categories, for text and for numbers that are categories.
        closed: Other values than `values` make the model fail, so they are refused.
        min, max: Range seen in the example rows; a hint, not a limit.
    """

    name: str
    type: InputType
    nullable: bool = False
    values: list[Scalar] | None = None
    closed: bool = False
    min: float | int | None = None
    max: float | int | None = None


class OutputField(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing an answer holds: `prediction`, `probabilities` or `decision`.

    Attributes:
        values: For `prediction` of a classifier its classes; for `probabilities`
            and a `decision` of several classes the class names, as text.
        size: How many values a prediction has when it is a list (multi-output).
    """

    name: str
    type: OutputType
    values: list[Scalar] | None = None
    size: int | None = None


class Signature(msgspec.Struct, frozen=True):
    """Inputs in the order the model wants them, and outputs."""

    inputs: list[InputField]
    outputs: list[OutputField]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, in the model's order."""
        return tuple(field.name for field in self.inputs)

    def output(self, name: str) -> OutputField | None:
        """The output of that name, if the model has it."""
        return next((field for field in self.outputs if field.name == name), None)


def unnamed(count: int) -> list[str]:
    """Names for the columns of a model that was fitted without any."""
    return [f"x{index}" for index in range(count)]


def plain_value(field: InputField) -> Scalar:
    """An ordinary value for a column, to try a model out with."""
    if field.values:
        return field.values[0]
    if field.min is not None:
        return field.min
    plain: dict[str, Scalar] = {"text": "a", "boolean": False, "integer": 1}
    return plain.get(field.type, 1.0)


def class_name(label: Scalar) -> str:
    """The key of a class in a JSON answer: booleans as JSON writes them."""
    if isinstance(label, bool):
        return "true" if label else "false"
    return str(label)


def class_names(labels: Sequence[Scalar]) -> tuple[str, ...]:
    """The keys of all classes, in order."""
    return tuple(class_name(label) for label in labels)
