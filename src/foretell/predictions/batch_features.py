"""What a batch needs of the feature set that its model version is bound to."""

from collections.abc import Mapping
from typing import Any

import msgspec

from foretell.core.columns import ColumnType
from foretell.errors import FieldError
from foretell.features.definition import Definition, Functions
from foretell.features.records import Features
from foretell.predictions.batch_messages import BatchFeatures
from foretell.predictions.errors import BatchColumnsMissing

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
