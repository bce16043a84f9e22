"""Which version is meant by a number, an alias or `latest`, and which by default."""

import re
from collections.abc import Mapping

LATEST = "latest"
DEFAULT_ALIAS = "champion"
_NUMBER = re.compile(r"[1-9][0-9]{0,9}\Z")


def number_of(
    reference: str | int | None, latest: int, aliases: Mapping[str, int]
) -> int | None:
    """The number that `reference` stands for now; `None` when there is no such version.

    Args:
        reference: A number, an alias or `latest`; `None` is the default version:
            the alias `champion` where it is set, else the latest.
        latest: The highest number published; every number up to it exists.
    """
    if reference is None:
        return aliases.get(DEFAULT_ALIAS) or latest or None
    if reference == LATEST:
        return latest or None
    if isinstance(reference, int):
        return reference if 1 <= reference <= latest else None
    if _NUMBER.match(reference):
        number = int(reference)
        return number if number <= latest else None
    return aliases.get(reference)


def may_be_alias(name: str) -> bool:
    """Whether `name` cannot be taken for a number or for `latest`."""
    return name != LATEST and not name.isdigit()
