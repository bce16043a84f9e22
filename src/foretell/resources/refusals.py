"""Tells a caller which of their values a constraint refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from foretell.errors import ForetellError
from foretell.resources.columns import ResourceColumn
from foretell.resources.conflicts import Violation
from foretell.resources.description import ResourceDescription
from foretell.resources.errors import (
    ReferenceMissing,
    RowReferenced,
    RowRefused,
    ValueTaken,
)
from foretell.resources.store import RefusedWrite, ResourceStore

Rows = Sequence[Mapping[str, Any]]


class Refusals:
    """Turns what a database says of a write into the resource's own errors."""

    def __init__(self, description: ResourceDescription, store: ResourceStore) -> None:
        self._description = description
        self._store = store

    async def of_write(
        self, error: RefusedWrite, rows: Rows, pointers: Sequence[str]
    ) -> ForetellError:
        """Why rows could not be written. The unit of work is over after this.

        Args:
            pointers: Where each of `rows` stands in the body.

        Raises:
            DBAPIError: It was no constraint on what the caller sent.
        """
        clash = self._store.clash_of(error)
        name = self._description.name
        if clash.violation is Violation.CHECK:
            return RowRefused(name)
        if clash.violation is Violation.OTHER:
            raise error
        await self._store.rollback()
        if clash.violation is Violation.REFERENCE:
            return ReferenceMissing(await self._missing(rows, pointers))
        pointer = await self._place_of(clash.columns, rows, pointers)
        return ValueTaken(name, clash.columns, pointer)

    def of_delete(self, error: RefusedWrite) -> ForetellError:
        """Why a row could not be removed."""
        if self._store.clash_of(error).violation is Violation.REFERENCE:
            return RowReferenced(self._description.name)
        raise error

    async def _missing(
        self, rows: Rows, pointers: Sequence[str]
    ) -> list[tuple[str, str]]:
        """Pointer and table of each value that names no row."""
        found = []
        for column in self._description.columns:
            if column.references is None:
                continue
            values = {row.get(column.name) for row in rows} - {None}
            missing = await self._store.missing(column, list(values)) if values else ()
            found += [
                (f"{pointer}/{column.name}", column.references[0])
                for pointer, row in zip(pointers, rows, strict=True)
                if row.get(column.name) in missing
            ]
        return found

    async def _place_of(
        self, columns: Sequence[str], rows: Rows, pointers: Sequence[str]
    ) -> str:
        """The pointer to the row at fault, if it can be told."""
        if len(rows) == 1:
            return pointers[0]
        if len(columns) != 1:
            return ""
        column: ResourceColumn = self._description.by_name[columns[0]]
        values = [row.get(column.name) for row in rows]
        taken = await self._store.taken(column, [v for v in values if v is not None])
        for number, value in enumerate(values):
            if value in taken or (value is not None and value in values[:number]):
                return pointers[number]
        return ""
