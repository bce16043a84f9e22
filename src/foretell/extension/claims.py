"""Who serves which path: no address is answered by two parts of an application."""

import re
from collections.abc import Iterator

from foretell.extension.errors import ExtensionInvalid, PathTaken

_PREFIX = re.compile(r"^(/[A-Za-z0-9._~-]+)*$")
# Foretell's own, today or soon: an upgrade must not collide with an extension.
_NOUNS = (
    *("attention", "audit", "connections", "datasets", "events", "feature-sets"),
    *("jobs", "keys", "me", "models", "password", "predict", "query", "recipes"),
    *("schedules", "session", "sessions", "setup", "tasks", "users", "version"),
)
RESERVED = (
    *(f"/api/{noun}" for noun in _NOUNS),
    *("/docs", "/healthz", "/metrics", "/openapi.json", "/readyz", "/static"),
    *("/token", "/v2", "/.well-known"),
)


class Claims:
    """Paths and who has them."""

    def __init__(self) -> None:
        self._held: list[tuple[str, str]] = [(p, "Foretell") for p in RESERVED]

    def claim(self, path: str, claimant: str) -> None:
        """Give `path` to `claimant`.

        Raises:
            PathTaken: Some address would be another's too.
        """
        for held, holder in self._held:
            is_reserved = held in RESERVED and _is_below(path, held)
            if holder != claimant and (is_reserved or overlap(path, held)):
                raise PathTaken(path, claimant, holder, held)
        self._held.append((path, claimant))

    def claim_below(self, prefix: str, claimant: str) -> None:
        """Make sure that all below `prefix` is `claimant`'s alone."""
        for held, holder in self._held:
            if holder != claimant and (
                _is_below(held, prefix) or _is_below(prefix, held)
            ):
                raise PathTaken(prefix, claimant, holder, held)


def check_prefix(prefix: str, owner: str) -> None:
    """Raise `ExtensionInvalid` unless `prefix` is a plain path or empty."""
    if not _PREFIX.match(prefix):
        raise ExtensionInvalid(
            f"The prefix {prefix!r} of {owner} must start with / and not end with it, "
            "and hold no parameters: /shop/api."
        )


def overlap(a: str, b: str) -> bool:
    """Whether two path templates match some address in common."""
    return _overlap(list(_segments(a)), list(_segments(b)))


def _overlap(a: list[str], b: list[str]) -> bool:
    for x, y in zip(a, b, strict=False):
        if ":path}" in x or ":path}" in y:
            return True
        if "{" not in x and "{" not in y and x != y:
            return False
    return len(a) == len(b)


def _segments(path: str) -> Iterator[str]:
    yield from path.strip("/").split("/")


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
