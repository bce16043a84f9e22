"""Keyset pages by any sort: the ORDER BY, and the condition for what comes after.

Nulls come last whichever way a column is sorted, text by code point, ties by key.
Read backwards, everything is mirrored: nulls first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import String, and_, bindparam, false, or_, tuple_, type_coerce
from sqlalchemy.sql import ColumnElement

from foretell.resources.columns import Kind, ResourceColumn

Element = ColumnElement[Any]
_MYSQL = ("mysql", "mariadb")


@dataclass(frozen=True, slots=True)
class Key:
    """One column of the order, in the direction of reading."""

    column: ResourceColumn
    is_down: bool
    nulls_last: bool
    dialect: str
    parameter: str

    @property
    def element(self) -> Element:
        """The column as it is compared and sorted."""
        element = self._stored
        # MySQL sorts by the column's own binary collation, so that its index serves.
        if self.column.kind in (Kind.TEXT, Kind.ENUM) and self.dialect == "postgresql":
            element = element.collate("C")
        return element

    @property
    def _stored(self) -> Element:
        column: Element = self.column.column
        return type_coerce(column, String) if self._is_enum else column

    @property
    def _is_enum(self) -> bool:
        return self.column.kind is Kind.ENUM

    @property
    def bind(self) -> Element:
        return bindparam(self.parameter, type_=self._type)

    @property
    def _type(self) -> Any:
        return String() if self._is_enum else self.column.column.type

    def order(self) -> list[Element]:
        """What ORDER BY holds for this key."""
        element = self.element
        by_value: Element = element.desc() if self.is_down else element.asc()
        if not self.column.nullable:
            return [by_value]
        if self.dialect in _MYSQL:
            is_null: Element = element.is_(None)
            return [is_null if self.nulls_last else is_null.desc(), by_value]
        return [by_value.nulls_last() if self.nulls_last else by_value.nulls_first()]

    def same(self, *, is_null: bool) -> Element:
        """The rows with the value of the position."""
        if is_null:
            return self.element.is_(None)
        return self._stored == self.bind

    def beyond(self, *, is_null: bool) -> Element:
        """The rows whose value comes after that of the position."""
        if is_null:
            return false() if self.nulls_last else self.element.is_not(None)
        after = self.element < self.bind if self.is_down else self.element > self.bind
        if self.column.nullable and self.nulls_last:
            return or_(after, self.element.is_(None))
        return after


def after(keys: Sequence[Key], nulls: Sequence[bool]) -> Element:
    """The condition for the rows that follow a position.

    Args:
        nulls: Which values of the position are null.
    """
    if _is_plain(keys):
        return tuple_(*(k.element for k in keys)) > tuple_(*(k.bind for k in keys))
    choices = []
    for number, key in enumerate(keys):
        same = [k.same(is_null=nulls[n]) for n, k in enumerate(keys[:number])]
        choices.append(and_(*same, key.beyond(is_null=nulls[number])))
    return or_(*choices)


def _is_plain(keys: Sequence[Key]) -> bool:
    # A row comparison reads the index from the position on; it knows no direction.
    return len(keys) > 1 and not any(k.is_down or k.column.nullable for k in keys)
