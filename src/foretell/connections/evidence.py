"""Decides the type of each column of an outside table from all of its cells.

The declaration counts where every cell agrees with it; where cells differ, the column
gets the narrowest type that keeps each of them exactly, text in the end, and a finding
says so. Nothing is guessed from a sample.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from foretell.connections.cells import (
    DECIMAL_DIGITS,
    CellKind,
    Missing,
    encode,
    items_of,
)
from foretell.core.columns import ColumnType
from foretell.core.connectors import ForeignColumn
from foretell.tabular.spool_messages import SpoolColumn

_ALONE = {
    CellKind.BOOLEAN: ColumnType.BOOLEAN,
    CellKind.INTEGER: ColumnType.INTEGER,
    CellKind.FLOAT: ColumnType.FLOAT,
    CellKind.TEXT: ColumnType.TEXT,
    CellKind.DATE: ColumnType.DATE,
    CellKind.TIME: ColumnType.TIME,
    CellKind.MOMENT: ColumnType.TIMESTAMP,
    CellKind.WALL_CLOCK: ColumnType.TIMESTAMP,
    CellKind.DURATION: ColumnType.DURATION,
    CellKind.BINARY: ColumnType.BINARY,
    CellKind.DOCUMENT: ColumnType.TEXT,
}
_NUMBERS = {CellKind.INTEGER, CellKind.LONG, CellKind.DECIMAL, CellKind.FLOAT}
_EXACT_NUMBERS = _NUMBERS - {CellKind.FLOAT}
_WIDER = {
    # What a declared type may also be made of, and holds exactly.
    ColumnType.DECIMAL: _EXACT_NUMBERS,
    ColumnType.FLOAT: {CellKind.FLOAT, CellKind.INTEGER},
    ColumnType.INTEGER: {CellKind.INTEGER, CellKind.BOOLEAN},
    ColumnType.TEXT: {CellKind.TEXT, CellKind.DOCUMENT},
    ColumnType.DURATION: {CellKind.DURATION, CellKind.TIME},
}
_ITEM_TYPES = {
    CellKind.BOOLEAN: ColumnType.BOOLEAN,
    CellKind.INTEGER: ColumnType.INTEGER,
    CellKind.FLOAT: ColumnType.FLOAT,
}


@dataclass(slots=True)
class ColumnEvidence:
    """What has been seen of one column."""

    declared: ForeignColumn
    kinds: Counter[CellKind] = field(default_factory=Counter)
    missing: Counter[Missing] = field(default_factory=Counter)
    items: set[CellKind | Missing] = field(default_factory=set)
    nulls: int = 0
    scale: int = 0
    whole_digits: int = 0

    def take(self, value: Any) -> Any:
        """Note a cell; answers its form in the spool."""
        if value is None:
            self.nulls += 1
            return None
        kind, cell = encode(value)
        if isinstance(kind, Missing):
            self.missing[kind] += 1
            self.nulls += 1
            return None
        self.kinds[kind] += 1
        if kind is CellKind.DECIMAL or kind is CellKind.LONG:
            self._measure(cell)
        elif kind is CellKind.LIST:
            self.items |= items_of(cell)
        return cell

    def _measure(self, text: str) -> None:
        whole, _, fraction = text.lstrip("-").partition(".")
        self.scale = max(self.scale, len(fraction))
        self.whole_digits = max(self.whole_digits, len(whole.lstrip("0")))

    def column(self) -> SpoolColumn:
        """The column as it is stored."""
        kinds = set(self.kinds)
        type_ = self._type(kinds)
        scale = max(self.scale, self.declared.scale or 0)
        is_zoned = CellKind.WALL_CLOCK not in kinds and (
            CellKind.MOMENT in kinds or self.declared.is_zoned
        )
        item = None
        if type_ is ColumnType.LIST:
            item = self._item()
        return SpoolColumn(self.declared.name, type_, scale, is_zoned, item)

    def _type(self, kinds: set[CellKind]) -> ColumnType:
        declared = self.declared.type
        if not kinds:
            return declared or ColumnType.TEXT
        if self.declared.is_fixed and declared is ColumnType.TEXT:
            return declared
        if declared is not None and kinds <= _WIDER.get(declared, set()):
            fits = declared is not ColumnType.DECIMAL or self._fits_decimal()
            return declared if fits else ColumnType.TEXT
        if kinds == {CellKind.LIST}:
            return ColumnType.LIST
        if len(kinds) == 1 and (only := next(iter(kinds))) in _ALONE:
            return _ALONE[only]
        if kinds <= _EXACT_NUMBERS:
            return ColumnType.DECIMAL if self._fits_decimal() else ColumnType.TEXT
        if kinds == {CellKind.INTEGER, CellKind.FLOAT}:
            return ColumnType.FLOAT
        if kinds == {CellKind.TIME, CellKind.DURATION}:
            return ColumnType.DURATION
        if kinds == {CellKind.DATE, CellKind.WALL_CLOCK}:
            return ColumnType.TIMESTAMP
        return ColumnType.TEXT

    def _fits_decimal(self) -> bool:
        whole = self.whole_digits
        if self.kinds[CellKind.INTEGER]:
            whole = max(whole, 19)
        return whole + max(self.scale, self.declared.scale or 0) <= DECIMAL_DIGITS

    def _item(self) -> ColumnType:
        if self.items == {CellKind.INTEGER, CellKind.FLOAT}:
            return ColumnType.FLOAT
        if len(self.items) == 1:
            only = next(iter(self.items))
            return _ITEM_TYPES.get(CellKind(only), ColumnType.TEXT)
        return ColumnType.TEXT

    def _rounds(self, stored: ColumnType) -> bool:
        return stored is ColumnType.FLOAT and self.kinds[CellKind.INTEGER] > 0

    def findings(self) -> list[dict[str, Any]]:
        """What a person should know of the column."""
        found = []
        name, stored = self.declared.name, self.column().type
        declared = self.declared.type
        if self.declared.note:
            said = f"{self.declared.note} is stored as {stored}."
            found.append(_finding("type_changed", said, name))
        if len(self.kinds) > 1 and stored is ColumnType.TEXT:
            seen = ", ".join(f"{kind} ({n:,})" for kind, n in self.kinds.most_common())
            found.append(
                _finding("mixed_types", f"Stored as text; it holds {seen}.", name)
            )
        elif declared is not None and self.kinds and stored is not declared:
            said = f"Declared as {declared}, stored as {stored} as its cells are."
            found.append(_finding("type_changed", said, name))
        elif declared is None and self._rounds(stored):
            said = "Integers and floats; integers beyond 2^53 are rounded."
            found.append(_finding("mixed_numbers", said, name))
        if self.missing[Missing.NON_FINITE]:
            count = self.missing[Missing.NON_FINITE]
            said = f"{count:,} decimals were NaN or infinite and are null."
            found.append(_finding("non_finite", said, name))
        return found


def _finding(code: str, message: str, column: str) -> dict[str, Any]:
    return {"code": code, "message": message, "column": column}
