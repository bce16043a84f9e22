"""A model version's rows as a Pydantic model and as JSON Schema.

The documents and clients speak of rows through this one; the predict routes decode
with a twin of it in msgspec, and a test holds the two equal.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
)
from pydantic import create_model as _create_model

from foretell.models.signature import InputField, Signature

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_Integer = Annotated[StrictInt, Field(ge=INT_MIN, le=INT_MAX)]
# Strict in Pydantic would refuse 1 for 1.0, which JSON does not tell apart.
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_TYPES: dict[str, Any] = {
    "boolean": StrictBool,
    "integer": _Integer,
    "float": _Number,
    "text": StrictStr,
}
_MAX_EXAMPLES = 5


def row_model(signature: Signature, name: str = "Row") -> type[BaseModel]:
    """The Pydantic model of one row: exact names, strict types, nothing extra."""
    fields: dict[str, Any] = {
        f"f{index}": (_annotation(field), _described(field))
        for index, field in enumerate(signature.inputs)
    }
    config = ConfigDict(extra="forbid", protected_namespaces=(), title=name)
    return _create_model(name, __config__=config, **fields)


def row_schema(signature: Signature, name: str = "Row") -> dict[str, Any]:
    """JSON Schema (2020-12) of one row."""
    schema = row_model(signature, name).model_json_schema(by_alias=True)
    return {"$schema": _DIALECT, **schema}


def record_schema(features: Mapping[str, Any], name: str) -> dict[str, Any]:
    """JSON Schema of a raw record, for a version bound to a feature set."""
    declared = {given["name"]: given["type"] for given in features["inputs"]}
    return {
        "$schema": _DIALECT,
        "title": name,
        "type": "object",
        "required": list(features["columns"]),
        "properties": {
            column: _RECORD_TYPES.get(declared.get(column, ""), {})
            for column in features["columns"]
        },
    }


_RECORD_TYPES: dict[str, dict[str, Any]] = {
    "boolean": {"type": ["boolean", "null"]},
    "integer": {"type": ["integer", "null"]},
    "float": {"type": ["number", "null"]},
    "decimal": {"type": ["number", "string", "null"]},
    "text": {"type": ["string", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
    "time": {"type": ["string", "null"], "format": "time"},
    "timestamp": {"type": ["string", "null"], "format": "date-time"},
}


def _annotation(field: InputField) -> Any:
    kind = _TYPES[field.type]
    if field.closed and field.values is not None:
        if field.type == "text":
            kind = Literal[tuple(field.values)]
        else:
            kind = Annotated[kind, AfterValidator(_one_of(frozenset(field.values)))]
    return kind | None if field.nullable else kind


def _one_of(values: frozenset[Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in values:
            raise ValueError("not one of the values the model knows")
        return value

    return check


def _described(field: InputField) -> Any:
    examples = (field.values or [])[:_MAX_EXAMPLES] or None
    seen = (
        f"Seen: {field.min:g} to {field.max:g}."
        if field.min is not None and field.max is not None
        else None
    )
    return Field(
        ..., alias=field.name, title=field.name, description=seen, examples=examples
    )
