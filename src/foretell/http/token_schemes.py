"""What `Authorization` may start with, other than `Bearer`, under which path.

An extension that speaks the dialect of existing clients (`Authorization: Token …`)
registers its word for its prefix. The header is put into today's words before
anything looks at it, so credentials are checked in one place and in one form.
"""

from collections.abc import Iterator

from starlette._utils import get_route_path
from starlette.types import Scope


class TokenSchemes:
    """Words by path prefix; the longest prefix wins."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, str] = {}

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._by_prefix.items())

    def register(self, prefix: str, scheme: str) -> None:
        self._by_prefix[prefix] = scheme

    def find(self, path: str) -> str | None:
        """The word that counts at `path` beside `Bearer`."""
        found = [p for p in self._by_prefix if path == p or path.startswith(p + "/")]
        return self._by_prefix[max(found, key=len)] if found else None

    def translate(self, scope: Scope) -> None:
        """Write the `Authorization` header of a request as `Bearer` where it counts."""
        if not self._by_prefix:
            return
        word = self.find(get_route_path(scope))
        if word is not None:
            scope["headers"] = [
                (name, _as_bearer(value, word) if name == b"authorization" else value)
                for name, value in scope["headers"]
            ]


def _as_bearer(value: bytes, word: str) -> bytes:
    scheme, _, credential = value.partition(b" ")
    is_it = scheme.lower() == word.lower().encode()
    return b"Bearer " + credential if is_it else value
