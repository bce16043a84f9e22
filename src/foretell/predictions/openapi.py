"""Typed predict operations in the OpenAPI document, one for each visible model."""

from collections.abc import Mapping
from typing import Any

from foretell.core.principal import Principal, Scope
from foretell.http.openapi import Contributor, Document
from foretell.models.errors import ModelVersionNotFound
from foretell.models.row_schema import record_schema, row_model
from foretell.models.signature import InputField, OutputField, Signature
from foretell.predictions.service import Predictions

MAX_MODELS = 200
_TYPES = {
    "boolean": "boolean",
    "integer": "integer",
    "float": "number",
    "text": "string",
}
_SAMPLES: dict[str, Any] = {"boolean": False, "integer": 0, "float": 0.0, "text": ""}
_PROBLEM = {
    "description": "Any refusal.",
    "content": {
        "application/problem+json": {
            "schema": {"$ref": "#/components/schemas/ProblemRead"}
        }
    },
}


def contributor(predictions: Predictions) -> Contributor:
    """Adds `POST /api/models/NAME/predict` with the types of the default version."""

    async def contribute(document: Document, principal: Principal) -> None:
        for snapshot in (await predictions.visible(principal))[:MAX_MODELS]:
            model, number = snapshot.model, snapshot.model.default
            if number is None:
                continue
            try:
                facts = await predictions.serving.facts(model, number)
            except ModelVersionNotFound:
                continue  # deleted meanwhile
            path = f"/api/models/{model.name}/predict"
            operation = _operation(model.name, number, facts.signature)
            if facts.features is not None:
                content = operation["requestBody"]["content"]
                content["application/json"] = _records(facts.features, model.name)
            document["paths"][path] = {"post": operation}

    return contribute


def _operation(model: str, number: int, signature: Signature) -> dict[str, Any]:
    scopes = [str(Scope.MODELS_PREDICT)]
    return {
        "tags": ["predictions"],
        "summary": f"Predict with {model} (version {number})",
        "operationId": f"predict_{model}",
        "security": [{"oauth2": scopes}, {"bearer": scopes}, {"session": []}],
        "parameters": [
            {
                "name": "version",
                "in": "query",
                "required": False,
                "schema": {"type": "string"},
                "description": "A number, an alias or `latest`; types may differ.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": body_schema(signature),
                    "example": {"rows": [example_row(signature)]},
                }
            },
        },
        "responses": {
            "200": {
                "description": "Answers, one a row.",
                "content": {"application/json": {"schema": answer_schema(signature)}},
            },
            "default": _PROBLEM,
        },
    }


def _records(features: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The body of a version that is bound to a feature set: raw records."""
    rows = {"type": "array", "items": record_schema(features, f"{name} record")}
    return {"schema": _object({"rows": rows})}


def body_schema(signature: Signature) -> dict[str, Any]:
    """JSON Schema of a request body."""
    row = row_model(signature).model_json_schema(by_alias=True)
    kinds = list(row["properties"].values())
    rows = {"type": "array", "items": row}
    positional = {
        "type": "array",
        "prefixItems": kinds,
        "minItems": len(kinds),
        "maxItems": len(kinds),
    }
    columns = {"type": "array", "items": {"enum": list(signature.names)}}
    data = {"type": "array", "items": {"type": "array"}}
    return {
        "oneOf": [
            _object({"rows": rows}),
            _object({"features": positional}),
            _object({"columns": columns, "data": data}),
        ]
    }


def example_row(signature: Signature) -> dict[str, Any]:
    """A row that the model takes: known values, or the least that was seen."""
    return {field.name: _example(field) for field in signature.inputs}


def _example(field: InputField) -> Any:
    if field.values:
        return field.values[0]
    return _SAMPLES[field.type] if field.min is None else field.min


def answer_schema(signature: Signature) -> dict[str, Any]:
    """JSON Schema of an answer body."""
    fields = {field.name: _output(field) for field in signature.outputs}
    answers = {"type": "array", "items": _object(fields)}
    return _object(
        {
            "model": {"type": "string"},
            "version": {"type": "integer"},
            "predictions": answers,
        }
    )


def _output(field: OutputField) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": _TYPES[field.type]}
    if field.name == "prediction":
        if field.values is not None:
            kind["enum"] = list(field.values)
        return kind if field.size is None else {"type": "array", "items": kind}
    if field.values is None:
        return kind
    return _object({str(name): {"type": "number"} for name in field.values})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
