"""The OpenAPI document: ours on top of FastAPI's.

FastAPI knows bodies and answers; this adds what holds everywhere: who may call
(security schemes) and the problem that any refusal is. `/openapi.json` without a
credential holds the static routes only; contributors add what a caller may see.
"""

import copy
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from foretell.core.permissions import Permissions
from foretell.core.principal import Principal
from foretell.http.problems import MEDIA_TYPE, Renderers, render_problem
from foretell.http.schemas import ProblemRead
from foretell.http.token_schemes import TokenSchemes

Document = dict[str, Any]
Contributor = Callable[[Document, Principal], Awaitable[None]]

_ERRORS = {
    "401": "No credential, or one that does not count.",
    "403": "The credential lacks the scope.",
    "422": "Something in the request is wrong; `errors` names each field.",
    "default": "Any other refusal.",
}
_METHODS = ("get", "put", "post", "patch", "delete", "head")


def static_document(app: FastAPI) -> Document:
    """The document of all routes, built once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        _lift_definitions(document)
        _add_security(document, app.state.foretell.permissions)
        _add_token_schemes(document, app.state.token_schemes)
        _add_problems(document, app.state.renderers)
        app.openapi_schema = document
    return app.openapi_schema


async def document_for(
    app: FastAPI, principal: Principal | None, contributors: list[Contributor]
) -> Document:
    """The document as one caller may see it."""
    document = static_document(app)
    if principal is None or not contributors:
        return document
    document = copy.deepcopy(document)
    for contribute in contributors:
        await contribute(document, principal)
    return document


def _lift_definitions(document: Document) -> None:
    """Put the parts of schemas that were made apart where the document has all others:
    they name them by `#/$defs/…`, which in here is nowhere."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})

    def lift(node: Any, names: dict[str, str]) -> None:
        if isinstance(node, list):
            for item in node:
                lift(item, names)
        if not isinstance(node, dict):
            return
        definitions = node.pop("$defs", None) or {}
        for name, schema in definitions.items():
            taken = schemas.get(name, schema) != schema
            names = {**names, name: f"{name}_{len(schemas)}" if taken else name}
            schemas[names[name]] = schema
        for schema in definitions.values():
            lift(schema, names)
        name = str(node.get("$ref", "")).removeprefix("#/$defs/")
        if name in names:
            node["$ref"] = f"#/components/schemas/{names[name]}"
        for item in node.values():
            lift(item, names)

    lift(document["paths"], {})


def _add_security(document: Document, permissions: Permissions) -> None:
    scopes = permissions.descriptions()
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "oauth2": {
            "type": "oauth2",
            "flows": {"password": {"tokenUrl": "token", "scopes": scopes}},
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token, or an API key (`ftl_…`).",
        },
        "session": {"type": "apiKey", "in": "cookie", "name": "ftl_session"},
    }
    schemas = components.setdefault("schemas", {})
    schemas["ProblemRead"] = ProblemRead.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    schemas.update(schemas["ProblemRead"].pop("$defs", {}))
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def _add_token_schemes(document: Document, schemes: TokenSchemes) -> None:
    """Say where `Authorization` may start with another word."""
    for _, word in schemes:
        name = word.lower()
        document["components"]["securitySchemes"][name] = {
            "type": "http",
            "scheme": name,
            "description": f"`Authorization: {word} …` with an access token or API key.",
        }
    for path, item in document["paths"].items():
        found = schemes.find(path)
        for operation in item.values() if found else ():
            if operation.get("security"):
                operation["security"].append({str(found).lower(): []})


def _add_problems(document: Document, renderers: Renderers) -> None:
    reference = {"schema": {"$ref": "#/components/schemas/ProblemRead"}}
    for path, item in document["paths"].items():
        if path.startswith("/v2") or renderers.find(path) is not render_problem:
            continue
        for method in _METHODS:
            operation = item.get(method)
            if operation is None:
                continue
            for status, words in _ERRORS.items():
                if status in ("401", "403") and not operation.get("security"):
                    continue
                operation["responses"].setdefault(status, {"description": words})
                operation["responses"][status]["content"] = {MEDIA_TYPE: reference}
