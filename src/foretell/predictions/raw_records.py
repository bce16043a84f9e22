"""Bodies with raw records for a version that is bound to a feature set.

The features are computed here, by the same program in every process, and the body goes
on with them in the place of the records. So everything behind (decoder, engines, model
host) is what it is for every other version.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from foretell.errors import FieldError
from foretell.features.definition import Definition, Functions
from foretell.features.records import Features, public
from foretell.models.signature import InputField, Signature
from foretell.predictions.answering import read_records
from foretell.predictions.errors import RowsInvalid

_FORMS = frozenset({"rows", "columns", "data", "features"})


class RawRecords:
    """Turns bodies of raw records into bodies of features.

    Args:
        features: The definition as the model version keeps it.
        functions: Of extensions.
    """

    def __init__(
        self, features: Mapping[str, Any], signature: Signature, functions: Functions
    ) -> None:
        definition = msgspec.convert(features, Definition)
        self._features = Features(definition, functions)
        self._inputs = signature.inputs
        self._positional = list(definition.declared) or list(self._features.names)

    def translated(self, body: bytes) -> bytes:
        """The body with features.

        Raises:
            RecordsInvalid: A record lacks a member, or has one of another type.
            RowsInvalid: The body holds no records.
        """
        document = _document(body)
        rest = {name: v for name, v in document.items() if name not in _FORMS}
        rows = self._rows(self._records(document))
        return orjson.dumps({**rest, "rows": rows})

    def of_array(self, body: bytes) -> bytes:
        """The body with features of a `.npy` array of raw records.

        Raises:
            RecordsInvalid, RowsInvalid: As `translated` does.
        """
        records = read_records(self._positional, body)
        return orjson.dumps({"rows": self._rows(records)})

    def _rows(self, records: list[Any]) -> list[dict[str, Any]]:
        return [
            {field.name: _cell(field, row[field.name]) for field in self._inputs}
            for row in self._features.compute(records)
        ]

    def _records(self, document: Mapping[str, Any]) -> list[Any]:
        given = document.keys() & _FORMS
        if given == {"rows"} and isinstance(document["rows"], list):
            return list(document["rows"])
        if given == {"features"}:
            return [self._named(self._positional, document["features"], "/features")]
        if given == {"columns", "data"} and isinstance(document["data"], list):
            return [
                self._named(document["columns"], row, f"/data/{index}")
                for index, row in enumerate(document["data"])
            ]
        message = "Give rows (raw records), or columns and data, or features."
        raise RowsInvalid([FieldError("", message, "rows_missing")])

    def _named(self, names: Any, values: Any, pointer: str) -> dict[str, Any]:
        lists = isinstance(names, list) and isinstance(values, list)
        if not lists or len(names) != len(values):
            message = "Must be a list with a value for each member of the record."
            raise RowsInvalid([FieldError(pointer, message, "list_type")])
        return dict(zip(map(str, names), values, strict=True))


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RowsInvalid(
            [FieldError("", "The body is not JSON.", "json_invalid")]
        ) from None
    if not isinstance(document, dict):
        message = "The body must be an object."
        raise RowsInvalid([FieldError("", message, "object_type")])
    return document


def _cell(field: InputField, value: Any) -> Any:
    """A feature as the cell of an input; what is no number there is missing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bool) and field.type in ("integer", "float"):
        return int(value)
    return public(value)
