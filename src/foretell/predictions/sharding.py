"""How a batch is cut into shards: ranges of rows, each some seconds of work.

Shards are jobs, so whoever dies, only those in flight are done again. A shard costs a
process and the opening of the model, about 0.2 s; with some seconds of work in each,
that is lost in them.
"""

from collections.abc import Sequence
from typing import Any

from foretell.models.serving import ServedVersion
from foretell.predictions.batch_messages import GROUP_ROWS

MAX_SHARDS = 1_000
_SHARD_SECONDS = 5.0
# Reading and writing a row of an ordinary table, whatever the model costs.
_LEAST_MICROSECONDS = 5.0


def shard_rows(version: ServedVersion, asked: int | None) -> int:
    """Rows of one shard, in whole groups.

    Args:
        asked: By the caller; `None`: some seconds of work by the measurements of the
            version.
    """
    if asked is None:
        each_us = (version.hundred_rows_us - version.one_row_us) / 99
        asked = int(_SHARD_SECONDS * 1e6 / max(each_us, _LEAST_MICROSECONDS))
    return max(1, round(asked / GROUP_ROWS)) * GROUP_ROWS


def shards_of(rows: int, each: int) -> list[range]:
    """The ranges of rows that the shards of a version take."""
    groups = -(-rows // GROUP_ROWS)
    least = -(-groups // MAX_SHARDS) * GROUP_ROWS
    step = max(each, least)
    return [range(start, start + step) for start in range(0, max(rows, 1), step)]


def overlapping(
    parts: Sequence[dict[str, Any]], rows: range
) -> tuple[int, list[dict[str, Any]]]:
    """How many rows stand before the parts that hold some of `rows`, and those parts;
    of a version without rows its one part."""
    before, at = 0, 0
    found: list[dict[str, Any]] = []
    for part in parts:
        end = at + part["rows"]
        if at < rows.stop and end > rows.start:
            before = before if found else at
            found.append(part)
        at = end
    # An empty part in front of others would not be next to the first that is read.
    return before, found if at else list(parts[:1])
