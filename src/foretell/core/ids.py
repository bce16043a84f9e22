"""Opaque ids: UUIDv7 (RFC 9562), so that a primary key index grows at its end."""

import os
import re
import time
import uuid
from datetime import datetime

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_NAME = re.compile(NAME_PATTERN)


def new_id() -> str:
    """Make a UUIDv7 as 36 lower-case characters.

    Ids that one process makes grow with its clock, also within a millisecond.

    Source:
        RFC 9562 section 5.7: 48 bits of Unix milliseconds, version, 74 bits of which
        the first 12 are a fraction of the millisecond (section 6.2, method 3).
    """
    millis, rest = divmod(time.time_ns(), 1_000_000)
    random = int.from_bytes(os.urandom(8), "big")
    value = (millis & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (rest * 4096 // 1_000_000) << 64
    value |= 0b10 << 62 | random & (1 << 62) - 1
    # What `str(uuid.UUID(int=value))` gives, at a third of its cost.
    digits = f"{value:032x}"
    return "-".join(
        (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    )


def lowest_id(moment: datetime) -> str:
    """An id that sorts before every one made from `moment` on."""
    millis = int(moment.timestamp() * 1000)
    return str(uuid.UUID(int=(millis & (1 << 48) - 1) << 80))


def is_name(text: str) -> bool:
    """Whether `text` may name an object (contract: `[a-z0-9][a-z0-9_-]{0,62}`)."""
    return _NAME.match(text) is not None and "\n" not in text


def slug_of(text: str) -> str:
    """Turn a file name into a name: lower case, runs of other characters to `-`.

    Returns:
        A valid name; `data` when nothing of `text` is usable.
    """
    stem = text.rsplit("/", 1)[-1].rsplit("\\", 1)[-1].split(".", 1)[0]
    slug = re.sub(r"[^a-z0-9_]+", "-", stem.lower()).strip("-_")[:63]
    return slug or "data"
