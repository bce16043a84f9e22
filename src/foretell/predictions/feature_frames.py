"""Computes features of frames, in the child of a batch."""

import polars as pl

from foretell.core.columns import ColumnType
from foretell.expressions.own import OwnFunction
from foretell.expressions.polars_compiler import dtype_of
from foretell.features.frames import expressions
from foretell.features.records import Features
from foretell.predictions.batch_messages import BatchFeatures
from foretell.sandbox.child import resolve


class TableFeatures:
    """The features that a model version is bound to, for tables.

    Attributes:
        columns: Those of the dataset that are used.
    """

    def __init__(self, request: BatchFeatures) -> None:
        functions = {
            name: OwnFunction.of(resolve(place), name)
            for name, place in request.functions.items()
        }
        program = Features(request.definition, functions).program(request.types)
        self.columns = list(request.types)
        self._casts = [
            pl.col(name).cast(dtype_of(type))
            for name, type in request.types.items()
            if type is ColumnType.FLOAT
        ]
        # As online, where what is no number is missing.
        self._values = [
            value.fill_nan(None) if type is ColumnType.FLOAT else value
            for type, value in zip(
                program.outputs.values(), expressions(program), strict=True
            )
        ]

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A frame that has the features beside, or in the place of, its columns."""
        return frame.with_columns(self._casts).with_columns(self._values)
