"""Computes features of frames: in the child of a batch, and in the model host."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import polars as pl

from foretell.core.columns import ColumnType
from foretell.expressions.own import OwnFunction
from foretell.expressions.polars_compiler import dtype_of
from foretell.features.frames import expressions
from foretell.features.records import Features
from foretell.predictions.batch_features import batch_features
from foretell.predictions.batch_messages import BatchFeatures
from foretell.sandbox.child import resolve
from foretell.tabular.profiling import column_type


class TableFeatures:
    """The features that a model version is bound to, for tables.

    Attributes:
        columns: Those of the dataset that are used.
    """

    def __init__(self, request: BatchFeatures) -> None:
        functions = _functions(request.functions)
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


class RecordFeatures:
    """The features that a model version is bound to, for raw records in columns of
    whatever types they came in.

    Attributes:
        columns: The members of a record that are used.

    Args:
        bound: The definition as the model version keeps it.
        places: Where functions of extensions are, `module:name`, by name.
    """

    def __init__(self, bound: Mapping[str, Any], places: Mapping[str, str]) -> None:
        self.columns: list[str] = list(bound["columns"])
        self._bound = bound
        self._functions = _functions(places)
        declared = {given["name"]: given["type"] for given in bound["inputs"]}
        self._declared = {name: ColumnType(type) for name, type in declared.items()}
        # Few shapes of records come to one version.
        self._features = lru_cache(16)(self._compile)

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The features of records whose numbers are finite or missing.

        Raises:
            BatchColumnsMissing: Columns are missing, or of another type.
            FeatureSetInvalid: A feature does not fit them.
            PolarsError: A value is beyond what its type has here.
        """
        present = [name for name in self.columns if name in frame.columns]
        types = {name: self._type(frame[name]) for name in present}
        casts = [pl.col(n).cast(_own(frame[n].dtype, t)) for n, t in types.items()]
        return self._features(tuple(types.items())).of(frame.with_columns(casts))

    def _type(self, column: pl.Series) -> ColumnType:
        if column.dtype == pl.Null:
            return self._declared.get(column.name, ColumnType.TEXT)
        return column_type(column.dtype)

    def _compile(self, types: tuple[tuple[str, ColumnType], ...]) -> TableFeatures:
        columns = [{"name": name, "type": str(type)} for name, type in types]
        made = batch_features(self._bound, columns, self._functions)
        return TableFeatures(made)


def _functions(places: Mapping[str, str]) -> dict[str, OwnFunction]:
    return {n: OwnFunction.of(resolve(place), n) for n, place in places.items()}


def _own(dtype: pl.DataType, type: ColumnType) -> pl.DataType:
    """As an import stores what comes in `dtype`."""
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", dtype.time_zone)
    if type is ColumnType.DECIMAL or dtype.is_nested():
        return dtype
    return dtype_of(type)
