"""What texts can be stored everywhere."""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def has_surrogate(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, which UTF-8 has no bytes for."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def is_storable(text: str) -> bool:
    """Whether every database takes a text: PostgreSQL takes no NUL, and none takes
    half of a surrogate pair."""
    return "\x00" not in text and not has_surrogate(text)


def storable(text: str) -> str:
    """A text that every database takes, as it came; for validators.

    Raises:
        ValueError: It is none.
    """
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    if has_surrogate(text):
        raise ValueError("holds a lone surrogate")
    return text
