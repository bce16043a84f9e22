"""Which datasets a SQL text may mean: found by its words, decided by the engine.

The engine's own parser says in a child what a statement reads. The child can only open
files that it was given before, so every dataset of the caller whose name occurs in the
text is offered. A word too many costs nothing: the caller may read that dataset anyway.
"""

import re
from collections.abc import Iterator

from foretell.core.ids import is_name

MAX_NAMES = 500
_WORD = re.compile(r'"((?:[^"]|"")*)"|([A-Za-z0-9_]+)')
_VERSIONED = re.compile(r"^(.+)@([1-9][0-9]{0,8})$")


def mentioned(sql: str) -> dict[str, tuple[str, int | None]]:
    """Names that a text may use for datasets.

    Returns:
        By name as written, in lower case: the dataset and the version, `None` for the
        current one. `"sales@3"` is version 3 of `sales`.
    """
    return dict(_found(sql))


def _found(sql: str) -> Iterator[tuple[str, tuple[str, int | None]]]:
    for match in _WORD.finditer(sql):
        word = (match[1] if match[1] is not None else match[2]).lower()
        versioned = _VERSIONED.match(word)
        name, number = (versioned[1], int(versioned[2])) if versioned else (word, None)
        if is_name(name):
            yield word, (name, number)
