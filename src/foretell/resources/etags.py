"""ETags of rows and pages, and the headers that name them (RFC 9110 section 13).

A row's tag is its key and version, so that a PATCH can name it without reading; with
nested rows in the answer a hash follows, `"KEY-VERSION.HASH"`, and names the same
version of the row.
"""

import hashlib
from typing import Any

_HASH_LENGTH = 16


def row_etag(key: Any, version: int) -> str:
    return f'"{key}-{version}"'


def nested_etag(key: Any, version: int, body: bytes) -> str:
    """The tag of a row with others nested in it."""
    return f'"{key}-{version}.{_hash(body)}"'


def body_etag(body: bytes) -> str:
    """The tag of a page: what it says, and nothing else."""
    return f'"{_hash(body)}"'


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has what `etag` names (weak comparison)."""
    if if_none_match is None:
        return False
    tags = _tags(if_none_match)
    return "*" in tags or etag in {tag.removeprefix("W/") for tag in tags}


def wanted_versions(if_match: str | None, key: Any) -> frozenset[int] | None:
    """The versions of the row `key` that `If-Match` lets pass; `None` for any."""
    if if_match is None:
        return None
    tags = _tags(if_match)
    if "*" in tags:
        return None
    prefix = f'"{key}-'
    texts = [t.removeprefix(prefix).rstrip('"') for t in tags if t.startswith(prefix)]
    numbers = [text.partition(".")[0] for text in texts]
    return frozenset(int(n) for n in numbers if n.isascii() and n.isdigit())


def _tags(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",")]


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_HASH_LENGTH]
