"""What the fast path sends."""

from typing import Any

from starlette.types import Send

from foretell.http.compression import COMPRESSED_FROM
from foretell.http.listing import link_header, page_base
from foretell.resources.fast.requests import Call, ListParameters

Headers = list[tuple[bytes, bytes]]
_JSON = (b"content-type", b"application/json")
_VARY = (b"vary", b"Accept-Encoding")
"""Bytes from which the edge compresses the answers of routes."""


class Answer:
    """Status, headers and body; headers as the routes have them."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, **headers: str) -> None:
        self.status = status
        self.body = body
        self.headers: Headers = [
            (name.encode(), value.encode("latin-1")) for name, value in headers.items()
        ]

    async def send(self, send: Send, *, is_compressed: bool) -> None:
        """Send it; a compressor in between adds `Vary` itself."""
        headers: Any = self.headers
        if self.status not in (204, 304):
            size = len(self.body)
            headers = [*headers, _JSON, (b"content-length", str(size).encode())]
            if size >= COMPRESSED_FROM and not is_compressed:
                headers.append(_VARY)
        start = {"type": "http.response.start", "status": self.status}
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def links_of(
    call: Call, asked: ListParameters, following: str | None, previous: str | None
) -> dict[str, str]:
    """The `Link` header of a page, by the cursors of its neighbours."""
    if following is None and previous is None:
        return {}
    base = page_base(call.scope, asked.kept)
    return {"link": link_header(base, following, previous)}
