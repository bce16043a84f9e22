"""Lists: the page's body and its `Link` header."""

import urllib.parse
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from foretell.core.pagination import Page
from foretell.http.schemas import ListOf

T = TypeVar("T")


def page_response(request: Request, response: Response, page: Page[T]) -> ListOf[T]:
    """The body of `page`; sets `Link: rel="next"` on the response."""
    if page.next is not None:
        response.headers["Link"] = f'<{next_link(request, page.next)}>; rel="next"'
    return ListOf[T].model_construct(items=page.items, next=page.next)


def next_link(request: Request, cursor: str) -> str:
    """Path and query of the same list from `cursor` on."""
    kept = {k: v for k, v in request.query_params.items() if k != "cursor"}
    query = urllib.parse.urlencode({**kept, "cursor": cursor})
    root, path = request.scope.get("root_path", ""), request.scope["path"]
    full = path if path.startswith(root) else root + path
    return f"{urllib.parse.quote(full)}?{query}"
