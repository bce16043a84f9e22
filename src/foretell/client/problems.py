"""Problem documents become the errors they tell of.

The server maps kinds of `foretell.errors` to statuses; this is the way back, so that
`except NotFound` means the same on both sides. Slug, status and request id of the
problem go along.
"""

from collections.abc import Mapping
from typing import Any

import httpx2

from foretell.errors import (
    KINDS,
    FieldError,
    ForetellError,
    Invalid,
    Throttled,
    Unavailable,
)

_KINDS: Mapping[int, type[ForetellError]] = {
    400: Invalid,
    405: Invalid,
    **{kind.status: kind for kind in KINDS},
}
_OWN_MEMBERS = frozenset({"type", "title", "detail", "instance", "errors"})


def error_of_response(response: httpx2.Response) -> ForetellError:
    """The error that a refusal tells of; it must have been read."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"detail": f"The server answered {response.status_code}."}
    if "error" in document and "detail" not in document:  # RFC 6749, V2
        document["detail"] = document.get("error_description") or document["error"]
    document.setdefault("request_id", response.headers.get("x-request-id", ""))
    document["status"] = response.status_code
    retry_after = response.headers.get("retry-after", "")
    return error_of_problem(
        document, retry_after_seconds=int(retry_after) if retry_after.isdigit() else 1
    )


def error_of_problem(
    document: Mapping[str, Any], *, retry_after_seconds: int = 1
) -> ForetellError:
    """The error that a problem document tells of; `context` has its other members."""
    kind = _KINDS.get(int(document.get("status") or 0), ForetellError)
    detail = str(document.get("detail") or document.get("title") or "Refused.")
    context = {k: v for k, v in document.items() if k not in _OWN_MEMBERS}
    error: ForetellError
    if kind is Throttled or kind is Unavailable:
        error = kind(detail, retry_after_seconds=retry_after_seconds)
    else:
        error = kind(detail)
    error.context = context
    error.errors = tuple(_field_error(item) for item in document.get("errors") or ())
    # The problem's own slug and title, which its class on the server had.
    slug = str(document.get("type") or "").rsplit("/", 1)[-1]
    vars(error).update(slug=slug or kind.slug)
    vars(error).update(title=str(document.get("title") or kind.title))
    return error


def _field_error(item: Mapping[str, Any]) -> FieldError:
    return FieldError(
        str(item.get("pointer", "")),
        str(item.get("message", "")),
        str(item.get("code", "")),
    )
