"""What two versions have in common, and which columns came, went or changed type."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foretell.core.columns import Column
from foretell.datasets.query import selected


@dataclass(frozen=True, slots=True)
class ColumnChanges:
    """Columns of two versions."""

    added: Sequence[Column]
    removed: Sequence[Column]
    changed: Sequence[tuple[Column, Column]]
    kept: Sequence[Column]

    def keys_of(self, text: str | None) -> list[str]:
        """Columns of `key=a,b`, each of which both versions have with one type."""
        return selected(text, [c.name for c in self.kept], "key") if text else []

    def to_json(self) -> dict[str, Any]:
        return {
            "added": [_described(column) for column in self.added],
            "removed": [_described(column) for column in self.removed],
            "changed": [
                {"name": old.name, "from": old.type, "to": new.type}
                for old, new in self.changed
            ],
        }


def column_changes(old: Sequence[Column], new: Sequence[Column]) -> ColumnChanges:
    """Tell the columns of two versions apart by name and type."""
    before = {column.name: column for column in old}
    after = {column.name: column for column in new}
    both = [(before[c.name], c) for c in new if c.name in before]
    return ColumnChanges(
        added=[column for column in new if column.name not in before],
        removed=[column for column in old if column.name not in after],
        changed=[(a, b) for a, b in both if a.type is not b.type],
        kept=[b for a, b in both if a.type is b.type],
    )


def _described(column: Column) -> dict[str, Any]:
    return {"name": column.name, "type": column.type}
