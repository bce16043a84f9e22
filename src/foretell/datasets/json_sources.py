"""The other body of an import: JSON that names a connection, beside files."""

import json
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request

from foretell.datasets.errors import SourceInvalid
from foretell.datasets.outside_schemas import SourceImport, SourceVersion, inlined
from foretell.http.routing import DEFAULT_BODY_BYTES, limit_body
from foretell.http.schemas import Body

Given = TypeVar("Given", SourceImport, SourceVersion)


def is_source(request: Request) -> bool:
    """Whether the body is JSON that names a source; with `?name=` it is a file."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    is_json = media_type.strip().lower() == "application/json"
    return is_json and "name" not in request.query_params


async def read_source(
    request: Request,
    kind: type[Given],
    *,
    name: str | None = None,
) -> Given:
    """The body, checked as FastAPI checks others.

    Args:
        name: The dataset of the path, which the body may repeat.

    Raises:
        RequestValidationError: With a place for each wrong field.
        SourceInvalid: It names another dataset.
    """
    limit_body(request, DEFAULT_BODY_BYTES)
    try:
        content = json.loads(await request.body())
    except (ValueError, RecursionError):
        fault = {"type": "json_invalid", "loc": ("body",), "msg": "JSON decode error"}
        raise RequestValidationError([fault]) from None
    try:
        given = kind.model_validate(content)
    except ValidationError as error:
        found: list[Any] = list(error.errors(include_url=False, include_context=False))
        raise RequestValidationError([_in_body(item) for item in found]) from None
    if name is not None and given.name not in (None, name):
        raise SourceInvalid("/name", "is not the dataset of the path")
    return given


def json_content(kind: type[Body]) -> dict[str, Any]:
    """The entry of an operation's `content` for such a body."""
    return {"application/json": {"schema": inlined(kind)}}


def _in_body(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "loc": ("body", *item["loc"])}
