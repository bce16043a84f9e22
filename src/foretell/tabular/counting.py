"""How many rows of a stored version match a condition."""

import time
from collections.abc import Sequence

import msgspec
import polars as pl

from foretell.tabular.row_groups import (
    Bound,
    MoreGroupsNeeded,
    candidates,
    runs,
    scan_runs,
)
from foretell.tabular.stored import Parts, row_count

_GROUPS_A_STEP = 32


class Count(msgspec.Struct, frozen=True):
    """How many rows; `exact` is false where time ran out and there may be more."""

    count: int
    exact: bool


def count(
    parts: Parts,
    where: pl.Expr | None = None,
    derived: Sequence[pl.Expr] = (),
    *,
    bounds: Sequence[Bound] = (),
    seconds: float | None = None,
    most_groups: int | None = None,
) -> Count:
    """Count rows, the matching ones with `where`; stop when the time is over.

    Args:
        derived: Columns to compute first, for `where` to look at.
        bounds: What `where` demands of stored columns.
        most_groups: Row groups that may be decoded.

    Raises:
        MoreGroupsNeeded: That is not enough.
    """
    if where is None:
        return Count(row_count(parts), exact=True)
    groups = candidates(parts, bounds)
    if most_groups is not None and len(groups) > most_groups:
        raise MoreGroupsNeeded
    deadline = None if seconds is None else time.monotonic() + seconds
    found = 0
    for start in range(0, len(groups), _GROUPS_A_STEP):
        if deadline is not None and time.monotonic() > deadline:
            return Count(found, exact=False)
        scan = scan_runs(parts, runs(groups[start : start + _GROUPS_A_STEP]))
        scan = scan.with_columns(derived).filter(where).select(pl.len())
        found += int(scan.collect(engine="streaming").item())
    return Count(found, exact=True)
