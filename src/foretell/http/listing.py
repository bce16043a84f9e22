"""Lists: the page and its `Link` header."""

import urllib.parse
from collections.abc import Mapping
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from foretell.core.pagination import Page

T = TypeVar("T")


def page_response(request: Request, response: Response, page: Page[T]) -> Page[T]:
    """Set `Link: rel="next"` on the response and give `page` back as its body."""
    if page.next is not None:
        response.headers["Link"] = link_header(base_of(request), page.next)
    return page


def link_header(base: str, following: str | None, previous: str | None = None) -> str:
    """The `Link` header of a page, by the cursors of its neighbours; empty without.

    Args:
        base: As `page_base` gives it.
    """
    return ", ".join(
        f'<{base}{cursor}>; rel="{rel}"'
        for rel, cursor in (("next", following), ("prev", previous))
        if cursor is not None
    )


def base_of(request: Request) -> str:
    """`page_base` of the list that a request asks for."""
    kept = {k: v for k, v in request.query_params.items() if k != "cursor"}
    return page_base(request.scope, kept)


def page_base(scope: Scope, kept: Mapping[str, str]) -> str:
    """Path and query of a list up to its cursor; `kept` are its other parameters.

    What a cursor is made of needs no escape.
    """
    root, path = scope.get("root_path", ""), scope["path"]
    full = path if path.startswith(root) else root + path
    query = urllib.parse.urlencode(kept) + "&" if kept else ""
    return f"{urllib.parse.quote(full)}?{query}cursor="
