"""Features of whole tables, for batches with a version bound to a feature set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from foretell.core.columns import ColumnType
from foretell.errors import FieldError
from foretell.expressions.own import OwnFunction
from foretell.features.definition import Definition, Functions
from foretell.features.records import Features
from foretell.predictions.batch_messages import BatchFeatures
from foretell.predictions.errors import BatchColumnsMissing
from foretell.sandbox.child import resolve

if TYPE_CHECKING:
    import polars as pl

_WIDENED = (ColumnType.INTEGER, ColumnType.FLOAT)


def batch_features(
    bound: Mapping[str, Any], columns: list[dict[str, Any]], functions: Functions
) -> BatchFeatures:
    """What a child needs to compute the features of a dataset version.

    Raises:
        BatchColumnsMissing: The dataset lacks columns, or has them of another type.
        FeatureSetInvalid: A feature does not fit the columns.
    """
    definition = msgspec.convert(bound, Definition)
    features = Features(definition, functions)
    found = {str(c["name"]): ColumnType(c["type"]) for c in columns}
    types: dict[str, ColumnType] = {}
    errors = []
    for name in features.names:
        wanted = definition.declared.get(name, found.get(name))
        if name not in found:
            message = "The dataset lacks it."
            errors.append(FieldError(f"/columns/{name}", message, "missing"))
        elif wanted is not found[name] and (found[name], wanted) != _WIDENED:
            message = f"The dataset has {found[name]}, the features take {wanted}."
            errors.append(FieldError(f"/columns/{name}", message, "type"))
        elif wanted is not None:
            types[name] = wanted
    if errors:
        named = ", ".join(error.pointer.rpartition("/")[2] for error in errors[:5])
        raise BatchColumnsMissing(
            f"The dataset does not fit the feature set: {named}.", errors=errors
        )
    features.program(types)
    places = {name: own.place for name, own in functions.items()}
    return BatchFeatures(definition, types, places)


class TableFeatures:
    """Computes features of frames, in the child."""

    def __init__(self, request: BatchFeatures) -> None:
        import polars as pl

        from foretell.expressions.polars_compiler import dtype_of

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
            value.fill_nan(None) if program.outputs[name] is ColumnType.FLOAT else value
            for name, value in zip(program.outputs, program.expressions(), strict=True)
        ]

    def of(self, frame: "pl.DataFrame") -> "pl.DataFrame":
        """A frame that has the features beside, or in the place of, its columns."""
        return frame.with_columns(self._casts).with_columns(self._values)
