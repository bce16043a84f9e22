"""The values of new rows, as `resources.writing` completes them, column by column."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from foretell.resources.columns import ResourceColumn
from foretell.resources.description import ResourceDescription
from foretell.resources.fast.bodies import NotSimple, Values
from foretell.resources.model import OWNER
from foretell.resources.writing import CREATED, UPDATED, VERSION, completed, new_keys


def completed_one(
    description: ResourceDescription,
    values: Values,
    owner_id: str | None,
    now: datetime,
) -> Values:
    """All values of one new row."""
    (key,) = new_keys(description.key, 1)
    return completed(description, values, key=key, owner_id=owner_id, now=now)


class Columns:
    """New rows as one array a column, for `unnest`.

    Attributes:
        names: Columns that the statement writes.
        arrays: Those of them that have an array; the others have one value for all.
        values: Value or array of each.
    """

    def __init__(
        self,
        description: ResourceDescription,
        rows: Sequence[Values],
        owner_id: str | None,
        now: datetime,
    ) -> None:
        shared: Mapping[str, Any] = {VERSION: 1, CREATED: now, UPDATED: now}
        if description.owned:
            shared = {**shared, OWNER: owner_id}
        self.values: dict[str, Any] = {}
        arrays = []
        for column in description.columns:
            name = column.name
            if name in shared:
                self.values[name] = shared[name]
                continue
            found = _array(column, rows)
            if found is not None:
                self.values[name] = found
                arrays.append(name)
        self.names, self.arrays = tuple(self.values), tuple(arrays)


def _array(column: ResourceColumn, rows: Sequence[Values]) -> list[Any] | None:
    """The values of one column; `None` if the database fills it in for all rows."""
    name = column.name
    try:
        return [values[name] for values in rows]
    except KeyError:
        pass
    if column.is_key:
        if any(name in values for values in rows):
            raise NotSimple
        keys = new_keys(column, len(rows))
        if keys[0] is None:
            raise NotSimple  # the database counts: no row could be told from another
        return list(keys)
    if column.column.server_default is not None:
        if any(name in values for values in rows):
            raise NotSimple
        return None
    default, is_made = column.default, callable(column.default)
    return [
        values[name] if name in values else default() if is_made else default
        for values in rows
    ]
