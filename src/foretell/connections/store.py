"""Every statement about connections."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.ownership import visible_to
from foretell.connections.tables import Connection
from foretell.core.db import is_unique_violation
from foretell.core.principal import Principal


class ConnectionStore:
    """Reads and writes connections in one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, name: str, principal: Principal) -> Connection | None:
        """The connection of that name, if the caller may see it."""
        statement = select(Connection).where(
            Connection.name == name, visible_to(Connection, principal)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def exists(self, name: str) -> bool:
        """Whether anybody has a connection of that name."""
        statement = select(Connection.id).where(Connection.name == name)
        return await self._session.scalar(statement) is not None

    async def list_page(
        self, principal: Principal, *, after: str | None, limit: int
    ) -> Sequence[Connection]:
        """Visible connections by name, `limit` + 1 at most."""
        statement = select(Connection).where(visible_to(Connection, principal))
        statement = statement.order_by(Connection.name).limit(limit + 1)
        if after is not None:
            statement = statement.where(Connection.name > after)
        return list(await self._session.scalars(statement))

    async def list_sealed(self, after: str, limit: int) -> Sequence[Connection]:
        """Connections with a secret, by id."""
        statement = select(Connection).where(
            Connection.sealed.is_not(None), Connection.id > after
        )
        statement = statement.order_by(Connection.id).limit(limit)
        return list(await self._session.scalars(statement))

    async def add_unless_taken(self, connection: Connection) -> bool:
        """Insert a connection; false when another one has its name."""
        try:
            async with self._session.begin_nested():
                self._session.add(connection)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            return False
        return True

    async def change(
        self, connection: Connection, revision: int | None, values: dict[str, Any]
    ) -> bool:
        """Set `values` and raise the revision; false if it is not `revision` now."""
        statement = (
            update(Connection)
            .where(Connection.id == connection.id)
            .values(**values, revision=Connection.revision + 1)
        )
        if revision is not None:
            statement = statement.where(Connection.revision == revision)
        result: Any = await self._session.execute(statement)
        await self._session.refresh(connection)
        return bool(result.rowcount)

    async def replace_seal(self, connection_id: str, old: str, new: str) -> bool:
        """Swap a sealed secret, unless it was put anew meanwhile."""
        statement = (
            update(Connection)
            .where(Connection.id == connection_id, Connection.sealed == old)
            .values(sealed=new)
        )
        result: Any = await self._session.execute(statement)
        return bool(result.rowcount)

    async def delete(self, connection: Connection) -> None:
        await self._session.execute(
            delete(Connection).where(Connection.id == connection.id)
        )
