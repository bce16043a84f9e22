"""Answers with a network of tensors, whichever library computes it.

A net takes tensors of one kind of number and gives tensors back; rows of named columns
go in and out here. Only sandboxed children use it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.models.ports import Batch, EngineSpec, Outputs
from foretell.models.signature import Signature, class_names

Array = npt.NDArray[Any]
Run = Callable[[list[Array]], list[Array]]
# A net keeps every layer's values of all rows of a call at once.
_CHUNK_ROWS = 4096


@dataclass(frozen=True, slots=True)
class TensorInput:
    """One tensor that a net takes.

    Attributes:
        shape: Of one row: `()` for a single value, `(4,)` for four columns,
            `(28, 28)` for 784 of them, the last dimension running fastest.
        dtype: The numpy name of its numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def width(self) -> int:
        """How many columns it is made of."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class RowLimits:
    """How many rows the net takes in one call; None: as many as there are."""

    least: int = 1
    most: int | None = None

    def pieces(self, rows: int) -> Iterator[slice]:
        """Cut a batch into calls."""
        step = _CHUNK_ROWS if self.most is None else min(self.most, _CHUNK_ROWS)
        for start in range(0, rows, max(1, step)):
            yield slice(start, min(rows, start + step))


class NetPredictor:
    """A net behind the predictor port.

    Args:
        run: Gives the output tensors for input tensors; safe from several threads.
        tensors: The inputs, whose columns are the signature's in this order.
    """

    def __init__(
        self,
        run: Run,
        tensors: Sequence[TensorInput],
        limits: RowLimits,
        signature: Signature,
        spec: EngineSpec,
    ) -> None:
        self.spec = spec
        self.columns = signature.names
        self.class_names = class_names(spec.classes)
        self._run = run
        self._tensors = list(tensors)
        self._limits = limits
        self._classes = np.array(spec.classes) if spec.classes else None

    def values(self, batch: Batch) -> Array:
        """What the net itself gives, as an array of shape `(rows, values)`."""
        columns = [np.asarray(batch[name]) for name in self.columns]
        rows = len(columns[0])
        pieces = [self._piece(columns, at) for at in self._limits.pieces(rows)]
        if pieces:
            return np.concatenate(pieces)
        return np.empty((0, self.spec.size or max(1, len(self.spec.classes))))

    def predict(self, batch: Batch) -> Outputs:
        values = self.values(batch)
        if self._classes is not None:
            scores = values.astype(np.float64)
            return Outputs(self._classes[scores.argmax(axis=1)], scores)
        if values.dtype.kind == "f":
            values = values.astype(np.float64)
        return Outputs(values[:, 0] if self.spec.size is None else values)

    def predict_one(self, values: Sequence[Any]) -> tuple[Any, list[Any] | None]:
        batch = {name: [one] for name, one in zip(self.columns, values, strict=True)}
        outputs = self.predict(batch)
        prediction = outputs.predictions[:1].tolist()[0]
        if outputs.scores is None or isinstance(outputs.scores, list):
            return prediction, None
        return prediction, outputs.scores[0].tolist()

    def _piece(self, columns: Sequence[Array], at: slice) -> Array:
        rows = at.stop - at.start
        padded = max(rows, self._limits.least)
        tensors, first = [], 0
        for one in self._tensors:
            place = columns[first : first + one.width]
            first += one.width
            tensors.append(_tensor([column[at] for column in place], one, padded))
        return _side_by_side(self._run(tensors), padded)[:rows]


def _tensor(columns: list[Array], one: TensorInput, rows: int) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite
        values = np.column_stack([column.astype(one.dtype) for column in columns])
    missing = rows - len(values)
    if missing > 0:  # a net exported for so many rows takes no fewer
        values = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
    return np.ascontiguousarray(values.reshape(rows, *one.shape))


def _side_by_side(outputs: Sequence[Array], rows: int) -> Array:
    """All output tensors of the rows as one array, one behind the other.

    Raises:
        ValueError: An output does not have one entry for each row.
    """
    for one in outputs:
        if one.ndim == 0 or len(one) != rows:
            raise ValueError(
                f"An output has the shape {tuple(one.shape)} for {rows} rows; its "
                "first dimension must be the rows."
            )
    if not outputs:
        raise ValueError("There is no output.")
    flat = [np.asarray(one).reshape(rows, -1) for one in outputs]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
