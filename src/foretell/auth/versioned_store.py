"""Statements about named, owned objects with immutable versions: recipes, feature sets."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.ownership import visible_to
from foretell.core.db import is_unique_violation
from foretell.core.principal import Principal


class VersionedStore:
    """Reads and writes objects of one kind in one session.

    Args:
        table: Of the objects: `id`, `name`, `latest`, `revision` and those of `Owned`.
        versions: Of their versions: `number` and the id of the object.
        key: Name of that id's column.
    """

    def __init__(
        self, session: AsyncSession, table: Any, versions: Any, key: str
    ) -> None:
        self.session = session
        self._table = table
        self._versions = versions
        self._key = getattr(versions, key)

    async def find(self, name: str, *, lock: bool = False) -> Any:
        """The object of that name, whoever owns it; `None` if there is none."""
        statement = select(self._table).where(self._table.name == name)
        if lock:
            statement = statement.with_for_update().execution_options(
                populate_existing=True
            )
        return (await self.session.scalars(statement)).one_or_none()

    async def find_version(self, object_id: str, number: int) -> Any:
        """One version, or `None`."""
        statement = select(self._versions).where(
            self._key == object_id, self._versions.number == number
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def list_page(
        self, principal: Principal, *, after: str | None, limit: int
    ) -> list[tuple[Any, Any]]:
        """Visible objects by name with their latest version, `limit` + 1 at most."""
        table, versions = self._table, self._versions
        statement = (
            select(table, versions)
            .join(versions, (self._key == table.id) & (versions.number == table.latest))
            .where(visible_to(table, principal))
            .order_by(table.name)
            .limit(limit + 1)
        )
        if after is not None:
            statement = statement.where(table.name > after)
        return [(row, v) for row, v in await self.session.execute(statement)]

    async def list_versions(
        self, object_id: str, *, before: int | None, limit: int
    ) -> Sequence[Any]:
        """Versions, newest first, `limit` + 1 at most."""
        statement = (
            select(self._versions)
            .where(self._key == object_id)
            .order_by(self._versions.number.desc())
            .limit(limit + 1)
        )
        if before is not None:
            statement = statement.where(self._versions.number < before)
        return list(await self.session.scalars(statement))

    async def add_unless_taken(self, row: Any) -> bool:
        """Insert an object; false when another one has its name."""
        try:
            async with self.session.begin_nested():
                self.session.add(row)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            return False
        return True

    async def add(self, row: Any) -> None:
        self.session.add(row)
        await self.session.flush()

    async def change(
        self, row: Any, revision: int | None, values: dict[str, Any]
    ) -> bool:
        """Set `values` and raise the revision; false if it is not `revision` now."""
        statement = (
            update(self._table)
            .where(self._table.id == row.id)
            .values(**values, revision=self._table.revision + 1)
        )
        if revision is not None:
            statement = statement.where(self._table.revision == revision)
        result: Any = await self.session.execute(statement)
        await self.session.refresh(row)
        return bool(result.rowcount)

    async def delete(self, row: Any) -> None:
        """Delete an object with its versions."""
        await self.session.execute(delete(self._versions).where(self._key == row.id))
        await self.session.execute(delete(self._table).where(self._table.id == row.id))
