"""Keyset pages: opaque, signed cursors, so that nobody pages by offset or forges one."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from foretell.errors import Invalid

DEFAULT_LIMIT = 100
MAX_OBJECTS = 1_000
MAX_ROWS = 10_000
_SIGNATURE_BYTES = 16

T = TypeVar("T")


class CursorInvalid(Invalid):
    """The cursor was not made by this server, or was changed."""

    slug = "cursor-invalid"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list: the objects and the cursor of the next page."""

    items: list[T]
    next: str | None


class Cursors:
    """Signs and reads cursors.

    Args:
        secret: Key of the signature; the same on every node.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.sha256(b"cursor:" + secret).digest()

    def encode(self, purpose: str, state: Any) -> str:
        """Make a cursor of JSON-like `state`; `purpose` binds it to one list."""
        body = msgspec.msgpack.encode([purpose, state])
        return base64.urlsafe_b64encode(self._sign(body) + body).decode().rstrip("=")

    def page(
        self, purpose: str, found: Sequence[T], limit: int, state: Callable[[T], Any]
    ) -> Page[T]:
        """The first `limit` of what was found, and where the rest begins.

        Args:
            found: One more than `limit`, if there is more.
            state: What a cursor says of the last object of a page.
        """
        items = list(found[:limit])
        is_last = len(found) <= limit
        return Page(items, None if is_last else self.encode(purpose, state(items[-1])))

    def decode(self, purpose: str, cursor: str) -> Any:
        """Give back the state of a cursor made for the same `purpose`.

        Raises:
            CursorInvalid: It was changed, or made for another list.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError as error:
            raise _refused() from error
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(body)):
            raise _refused()
        found, state = msgspec.msgpack.decode(body)
        if found != purpose:
            raise _refused()
        return state

    def _sign(self, body: bytes) -> bytes:
        # Keyed BLAKE2 is a MAC of its own, and a third of what HMAC costs.
        return hashlib.blake2b(
            body, key=self._key, digest_size=_SIGNATURE_BYTES
        ).digest()


def _refused() -> CursorInvalid:
    return CursorInvalid("The cursor is not one that this list gave out.")
