"""An answer as both doors send it."""

from collections.abc import Sequence
from typing import NamedTuple

Headers = Sequence[tuple[bytes, bytes]]

JSON: Headers = ((b"content-type", b"application/json"),)


class Reply(NamedTuple):
    """A body and the headers that tell what it is."""

    body: bytes
    headers: Headers = JSON
